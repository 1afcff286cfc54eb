"""`build_app`: the parts work together."""

import datetime as dt
import decimal
import enum
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from gateline.shared.app import build_app, parts
from gateline.shared.config import ConfigError, Settings
from gateline.shared.schemas.base import Schema


class Colour(enum.Enum):
    """An enumeration."""

    RED = "red"


class Thing(Schema):
    """A payload."""

    at: dt.datetime


@pytest.fixture
def app(settings: Settings) -> Flask:
    """Give an app with a few views."""
    app = build_app("x", service="app-test", settings=settings)
    app.add_url_rule("/things/", "things", list, methods=["GET", "POST"])
    app.add_url_rule("/other", "other", list, methods=["GET", "POST"])
    app.add_url_rule("/deep/thing", "deep", list)
    return app


@pytest.mark.parametrize("path", ["/things", "/things/", "/other", "/other/"])
def test_a_closing_slash_makes_no_difference(app: Flask, path: str) -> None:
    """Both forms answer, without a redirect that would lose a body."""
    assert app.test_client().get(path).status_code == 200
    assert app.test_client().post(path).status_code == 200


def test_doubled_slashes_are_another_address(app: Flask) -> None:
    """They are neither merged nor redirected."""
    assert app.test_client().get("/deep//thing").status_code == 404


def test_json_is_written_as_the_apis_show_it(app: Flask) -> None:
    """Times in UTC with Z, keys in order, text unescaped."""
    at = dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    number = uuid.UUID(int=1)
    app.add_url_rule(
        "/json",
        view_func=lambda: {
            "z": at,
            "a": dt.date(2024, 1, 1),
            "id": number,
            "price": decimal.Decimal("1.10"),
            "colour": Colour.RED,
            "thing": Thing(at=dt.datetime(2024, 1, 1, tzinfo=dt.UTC)),
            "name": "José",
        },
    )
    response = app.test_client().get("/json")
    assert response.get_json() == {
        "z": "2023-12-31T23:00:00Z",
        "a": "2024-01-01",
        "id": str(number),
        "price": "1.10",
        "colour": "red",
        "thing": {"at": "2024-01-01T00:00:00Z"},
        "name": "José",
    }
    assert response.text.index('"z"') < response.text.index('"a"')
    assert "José" in response.text


def test_the_parts_are_those_of_the_settings(app: Flask, settings: Settings) -> None:
    """Views reach everything through one object."""
    with app.app_context():
        assert parts().settings is settings
        assert parts().kv.ping()


def test_every_answer_is_limited_and_says_so(make_settings: Callable[..., Settings]) -> None:
    """The default limit holds where nothing else is stated; probes are free."""
    app = build_app(
        "x", service="x", settings=make_settings(RATE_LIMIT_DEFAULT="1/hour"), database=False
    )
    app.add_url_rule("/a", "a", str)
    client = app.test_client()
    assert client.get("/a").headers["X-RateLimit-Limit"] == "1"
    refused = client.get("/a")
    assert refused.status_code == 429
    assert refused.get_json()["details"]["reason"] == "limit_spent"
    assert int(refused.headers["Retry-After"]) > 0
    assert client.get("/livez").status_code == 200


ORIGIN = "https://app.example.com"


def cors_headers(settings: Settings, origin: str) -> dict[str, str]:
    """Return the CORS headers of an answer to a page of `origin`."""
    app = build_app("x", service="x", settings=settings, database=False)
    response = app.test_client().get("/livez", headers={"Origin": origin})
    return {k: v for k, v in response.headers.items() if k.startswith("Access-Control-Allow")}


def test_listed_origins_may_read_answers(make_settings: Callable[..., Settings]) -> None:
    """With credentials, for exactly the listed origin."""
    assert cors_headers(make_settings(CORS_ORIGINS=ORIGIN), ORIGIN) == {
        "Access-Control-Allow-Origin": ORIGIN,
        "Access-Control-Allow-Credentials": "true",
    }


@pytest.mark.parametrize(
    "origin", ["https://app.example.com.evil.example", "https://appXexample.com", "null"]
)
def test_other_origins_get_nothing(make_settings: Callable[..., Settings], origin: str) -> None:
    """A listed origin is no pattern."""
    assert cors_headers(make_settings(CORS_ORIGINS=ORIGIN), origin) == {}


def test_without_listed_origins_there_is_no_cors(make_settings: Callable[..., Settings]) -> None:
    """The default is closed."""
    assert cors_headers(make_settings(), ORIGIN) == {}


def test_a_wildcard_never_comes_with_credentials(make_settings: Callable[..., Settings]) -> None:
    """Any page may then read, but as nobody."""
    assert cors_headers(make_settings(CORS_ORIGINS="*"), ORIGIN) == {
        "Access-Control-Allow-Origin": "*"
    }


def test_wrong_settings_stop_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In production a process with a weak secret never serves."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLASK_ENV", "production")
    monkeypatch.setenv("SECRET_KEY", "your-secret-key")
    with pytest.raises(ConfigError, match="SECRET_KEY"):
        build_app("x", service="x")
