"""`gateline routes`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateline.cli.routes import routes
from gateline.shared.config import ConfigError
from gateline.shared.routing import platform_routes

FILE = """
[services.shop]
url = "http://127.0.0.1:9000"

[[routes]]
path = "/api/shop/{id}"
service = "shop"
methods = ["GET", "PUT"]
hosts = ["shop.example.com"]
headers = { X-Beta = true }
roles = ["customer", "admin"]
rate_limit = ["10/second", { limit = "1000/day", by = "header:X-Tenant" }]

[[routes]]
path = "/old"
redirect = "/new"
"""


def test_the_files_own_come_first(own_folder: Path) -> None:
    """Then the platform's, unless only one's own are wanted."""
    (own_folder / "gateline.toml").write_text(FILE)

    whole = CliRunner().invoke(routes, []).stdout.splitlines()
    own = CliRunner().invoke(routes, ["--own"]).stdout.splitlines()

    assert [line.split()[-1] for line in own] == ["NAME", "api-shop-id", "old"]
    assert [line.split()[-1] for line in whole][:3] == ["NAME", "api-shop-id", "old"]
    assert len(whole) > len(own)
    assert "GET PUT  shop.example.com /api/shop/{id} [X-Beta]" in own[1]
    assert "admin, customer  10/second by client address, 10 at once; 1000/day by header" in own[1]
    assert "308 /new" in own[2]


def test_without_a_file_they_are_the_platforms(own_folder: Path) -> None:
    """Also as JSON, one object a line."""
    answer = CliRunner().invoke(routes, ["--json"])

    listed = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [one["name"] for one in listed] == [route.name for route in platform_routes()]
    assert {"by kind of account", "nowhere (404)", "web"} <= {one["to"] for one in listed}


def test_another_file_may_be_named(own_folder: Path) -> None:
    """A wrong one is told like everywhere."""
    path = own_folder / "other.toml"
    path.write_text(FILE)
    named = CliRunner().invoke(routes, ["--own", "--config", str(path)])
    assert "/old" in named.stdout

    path.write_text("[[routes]]\n")
    with pytest.raises(ConfigError):
        CliRunner().invoke(routes, ["--config", str(path)], catch_exceptions=False)


def test_settings_that_are_wrong_are_told(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what nobody needs here is made up."""
    monkeypatch.setenv("CORS_ORIGINS", "no-origin")
    with pytest.raises(ConfigError, match="CORS_ORIGINS"):
        CliRunner().invoke(routes, [], catch_exceptions=False)
