"""Statements of the documents about code, commands and settings rather than about requests."""

import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask, jsonify
from sqlalchemy import text

from gateline.cli import cli
from gateline.shared.config import Settings
from gateline.shared.routing import platform_services

OURS = ("deploy/", "requirements/")
ROOT = Path(__file__).parents[2]
SECRET = "a-secret-of-forty-characters-for-tests-0123"
DATABASE = "postgresql://user:pass@localhost/dbname"
SERVICE_URLS = {
    "JWT_SERVICE_URL": ("jwt", "http://servicio-auth-jwt:8003"),
    "DOCTOR_SERVICE_URL": ("doctors", "http://servicio-doctores:8000"),
    "PATIENT_SERVICE_URL": ("patients", "http://servicio-pacientes:8004"),
    "INSTITUTION_SERVICE_URL": ("institutions", "http://servicio-instituciones:8002"),
    "ADMIN_SERVICE_URL": ("admins", "http://servicio-admins:8006"),
}


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Settings]:
    """Give a function that loads settings from nothing but the given variables."""

    def load(**environ: str) -> Settings:
        needed = {"SECRET_KEY": SECRET, "DATABASE_URL": DATABASE}
        return Settings.load({**needed, **environ}, folder=tmp_path)

    return load


def test_config_objects(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Document 0, Configuration: `app.config.from_object(config[config_name])`."""
    from gateline.shared.config import config

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET_KEY", SECRET)
    monkeypatch.setenv("DATABASE_URL", DATABASE)
    app = Flask("one_of_ours")
    app.config.from_object(config["testing"])

    assert (app.config["SECRET_KEY"], app.config["TESTING"]) == (SECRET, True)
    assert app.config["SQLALCHEMY_DATABASE_URI"].endswith("user:pass@localhost/dbname")


def test_transaction_context(database_url: str) -> None:
    """Document 0, Database: `init_db(app)`, then `transaction_context()` writes all or nothing."""
    from gateline.shared.database import db, init_db, transaction_context

    app = Flask("one_of_ours")
    app.config["DATABASE_URL"] = Settings.load(
        {"SECRET_KEY": SECRET, "DATABASE_URL": database_url}
    ).database_url
    init_db(app)

    def insert_and_fail() -> None:
        with transaction_context() as session:
            session.execute(text("INSERT INTO document_0 VALUES (1)"))
            raise ZeroDivisionError

    with app.app_context():
        with transaction_context() as session:
            session.execute(text("CREATE TABLE document_0 (id int)"))
        with pytest.raises(ZeroDivisionError):
            insert_and_fail()
        count = db.session.scalar(text("SELECT count(*) FROM document_0"))
        with transaction_context() as session:
            session.execute(text("DROP TABLE document_0"))
        db.engine.dispose()
    assert count == 0


def test_own_ports() -> None:
    """Document 2, Usage, and document 4, FLASK_PORT: 5000 for a service, 8000 for the gateway."""
    from flask.cli import run_command

    from gateline.local.services import SERVICES

    (port,) = [option for option in run_command.params if option.name == "port"]
    assert (port.default, SERVICES["api"].port, SERVICES["edge"].port) == (5000, 5000, 8000)


def test_contributing() -> None:
    """Document 2, Contributing: how a change is made, tested and checked is written down."""
    said = (ROOT / "CONTRIBUTING.md").read_text()
    assert all(command in said for command in ("make up", "make test", "make check"))


def test_documented_commands() -> None:
    """Documents 2 to 4, commands: each has its line, and what stands there instead exists."""
    page = (ROOT / "docs" / "commands-and-paths.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.partition("## Commands")[2].splitlines()]
    said = {command for row in rows if len(row) > 2 for command in re.findall(r"`(.+?)`", row[1])}
    assert said >= {
        *("pip install -e .", "pip install -r requirements.txt", "python app.py", "python run.py"),
        *("flask run --debug", "black src/ tests/", "ruff check src/ tests/", "pytest"),
        *("cp .env.example .env", "python -m src.database.migrations run"),
    }
    ours = [command for row in rows if len(row) > 2 for command in re.findall(r"`(.+?)`", row[2])]
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for words in (command.split() for command in ours):
        if words[0] == "gateline":
            name = [word for word in words[1:3] if word != "edge"]
            assert CliRunner().invoke(cli, [*name, "--help"]).exit_code == 0, words
        elif words[0] == "make":
            assert words[1] in targets
        for place in (word for word in words if "/" in word and word.startswith(OURS)):
            assert (ROOT / place).exists(), place


def test_service_addresses(load: Callable[..., Settings]) -> None:
    """Document 3, Microservices: five services by name, from their variables, 10 s each."""
    settings = load(**{variable: url for variable, (_, url) in SERVICE_URLS.items()})
    services = platform_services(settings)

    for name, url in SERVICE_URLS.values():
        assert services[name].urls == (url,)
        assert services[name].timeout == 10


def test_flask_debug(load: Callable[..., Settings]) -> None:
    """Documents 3 and 4, FLASK_DEBUG: `1` and `True` switch on, `False` off, as DEBUG does."""
    values = [load(FLASK_DEBUG=word).debug for word in ("1", "True", "False")]
    assert [*values, load(DEBUG="true").debug, load().debug] == [True, True, False, True, False]


def test_token_minutes(load: Callable[..., Settings]) -> None:
    """Document 4, JWT_ACCESS_TOKEN_EXPIRE_MINUTES: 30 unless told otherwise."""
    told = load(JWT_ACCESS_TOKEN_EXPIRE_MINUTES="5")
    assert (load().access_token_minutes, told.access_token_minutes) == (30, 5)


def test_cors_origins_are_a_list(load: Callable[..., Settings]) -> None:
    """Document 4, CORS_ORIGINS: origins separated by commas."""
    settings = load(CORS_ORIGINS="http://localhost:3000,http://localhost:5173")
    assert settings.cors_origins == ("http://localhost:3000", "http://localhost:5173")


@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0", "browser"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148", "mobile"),
        ("curl/8.14.1", "api"),
    ],
)
def test_client_type(agent: str, kind: str) -> None:
    """Document 3, client detection: browsers, phones and programs are told apart."""
    from gateline.shared.client_type import current_client_type

    app = Flask("one_of_ours")
    app.add_url_rule("/", view_func=lambda: jsonify(current_client_type()), endpoint="kind")
    assert app.test_client().get("/", headers={"User-Agent": agent}).json == kind


@pytest.mark.parametrize("module", ["auth", "api", "web", "sample.clinic", "sample.retail"])
def test_application_factories(module: str) -> None:
    """Document 4, Features: every Flask service is made by a factory without arguments."""
    factory: Any = importlib.import_module(f"gateline.{module}").create_app
    parameter = inspect.signature(factory).parameters["settings"]
    assert parameter.default is None


@pytest.mark.parametrize("kind", ["patient", "doctor", "institution"])
def test_registration_pages(http: Any, kind: str) -> None:
    """Document 3, Web Server: a form for registration, for each kind of account."""
    page = http("GET", f"/register/{kind}")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "<form" in page.text


@pytest.mark.parametrize(
    ("path", "language"),
    [("/docs", "en"), ("/docs/architecture", "en"), ("/docs/arquitectura", "es")],
)
def test_documentation_pages(http: Any, path: str, language: str) -> None:
    """Document 3, `GET /docs` and `GET /docs/arquitectura`: pages for everybody."""
    page = http("GET", path)
    assert page.status_code == 200
    assert f'lang="{language}"' in page.text
