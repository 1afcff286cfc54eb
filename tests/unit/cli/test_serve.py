"""`gateline serve`: what it makes of options and settings."""

import os
import secrets
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateline.cli.serve import serve
from gateline.local import app_server, serving
from gateline.local.services import ServiceProgram
from gateline.local.serving import Listen
from gateline.policy.services import AppProgram
from gateline.shared.config import ConfigError

Served = list[tuple[str, Listen]]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Served:
    """Collect what would be served, with the least of settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@127.0.0.1:1/none")
    monkeypatch.setenv("SECRET_KEY", "a-secret-for-tests-of-at-least-32-bytes")
    for name in ("FLASK_HOST", "FLASK_PORT", "GATELINE_CONFIG", "GATELINE_SOCKETIO_TRANSPORTS"):
        monkeypatch.setenv(name, "as before, in the end")
        monkeypatch.delenv(name)
    calls: Served = []

    def note(service: ServiceProgram, listen: Listen) -> None:
        calls.append((service.name, listen))

    monkeypatch.setattr(serving, "serve", note)
    return calls


@pytest.mark.parametrize(("name", "port"), [("edge", 8000), ("web", 5000), ("auth", 5000)])
def test_without_a_port_the_edge_has_8000_and_the_others_5000(
    served: Served, name: str, port: int
) -> None:
    """The documented defaults."""
    assert CliRunner().invoke(serve, [name]).exit_code == 0
    assert served == [(name, Listen("127.0.0.1", port))]


@pytest.mark.parametrize("name", ["edge", "web", "jobs"])
def test_production_names_everything_that_is_missing(
    served: Served, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Not the common settings first and those of the service once they are mended."""
    monkeypatch.setenv("FLASK_ENV", "production")
    error = CliRunner().invoke(serve, [name]).exception
    assert isinstance(error, ConfigError)
    named = {problem.variable for problem in error.problems}
    assert named >= {"ALLOWED_HOSTS", "JWT_SERVICE_URL", "SERVICE_KEY"}
    assert served == []


@pytest.mark.parametrize("platform", [True, False])
def test_an_edge_before_a_teams_own_services_needs_no_key(
    served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: bool
) -> None:
    """Where the file leaves the platform out, there is no auth to call."""
    monkeypatch.setenv("FLASK_ENV", "production")
    monkeypatch.setenv("ALLOWED_HOSTS", "localhost")
    monkeypatch.setenv("SECRET_KEY", secrets.token_urlsafe(48))
    file = tmp_path / "gateline.toml"
    file.write_text(f"[gateway]\nplatform = {str(platform).lower()}\n")
    error = CliRunner().invoke(serve, ["edge", "--config", str(file)]).exception
    assert isinstance(error, ConfigError) is platform
    assert [name for name, _ in served] == ([] if platform else ["edge"])


def test_the_environment_names_host_and_port(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FLASK_HOST and FLASK_PORT hold for every service."""
    monkeypatch.setenv("FLASK_HOST", "0.0.0.0")
    monkeypatch.setenv("FLASK_PORT", "7000")
    CliRunner().invoke(serve, ["web"])

    assert served[0][1] == Listen("0.0.0.0", 7000)


def test_an_app_of_the_file_is_served_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container: with the file's workers and variables unless an option says otherwise."""
    monkeypatch.chdir(tmp_path)
    for name in ("FLASK_HOST", "FLASK_PORT", "DATABASE_URL", "SECRET_KEY", "PORT", "COLOUR"):
        monkeypatch.setenv(name, "as before, in the end")
        monkeypatch.delenv(name)
    (tmp_path / "shop.py").touch()
    (tmp_path / "gateline.toml").write_text(
        '[services.shop]\napp = "shop:app"\nworkers = 3\nenv = { COLOUR = "red" }\n'
    )
    calls: list[tuple[AppProgram, str, int, int]] = []

    def note(app: AppProgram, host: str, port: int, *, drain: int) -> None:
        calls.append((app, host, port, drain))

    monkeypatch.setattr(app_server, "serve_app", note)
    options = "--port 5077 --threads 2 --host 127.0.0.2"
    assert CliRunner().invoke(serve, ["shop", *options.split()]).exit_code == 0
    assert CliRunner().invoke(serve, ["shop", "--port", "5078", "--workers", "1"]).exit_code == 0
    unknown = CliRunner().invoke(serve, ["stock"]).exception

    (first, *place), (second, *_) = calls
    assert place == ["127.0.0.2", 5077, 30]
    assert (first.target, first.directory) == ("shop:app", str(tmp_path))
    assert [(one.workers, one.threads) for one in (first, second)] == [
        (3, 2),
        (1, AppProgram("", "").threads),
    ]
    assert (os.environ["PORT"], os.environ["COLOUR"]) == ("5078", "red")
    assert "no service 'stock'" in str(unknown)


def test_options_override_the_environment(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on the command line wins."""
    monkeypatch.setenv("FLASK_PORT", "7000")
    options = "--host ::1 --port 7001 --workers 2 --threads 4 --drain 5"
    CliRunner().invoke(serve, ["web", *options.split()])

    assert served[0][1] == Listen("::1", 7001, workers=2, threads=4, drain_seconds=5)
