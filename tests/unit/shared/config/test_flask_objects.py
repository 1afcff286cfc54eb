"""`config[name]` as document 0 uses it."""

from pathlib import Path

import pytest
from flask import Flask

from gateline.shared.config import FlaskConfig, Settings, config

SECRET = "kX2vQ9-fT7mLr4Wz_8sYbN1cHdJ0aGeU"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set what a start needs, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET_KEY", SECRET)
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@h/d")


@pytest.mark.usefixtures("environment")
def test_from_object_configures_an_app() -> None:
    """`app.config.from_object(config[name])` copies every setting in upper case."""
    app = Flask("x")
    app.config.from_object(config["testing"])
    assert app.config["SECRET_KEY"] == SECRET
    assert app.config["TESTING"] is True
    assert app.config["SQLALCHEMY_DATABASE_URI"] == "postgresql+psycopg://u@h/d"
    assert app.config["MAX_CONTENT_LENGTH"] == app.config["MAX_BODY_BYTES"]


def test_the_known_names_are_listed() -> None:
    """The names are those of FLASK_ENV, and default."""
    assert sorted(config) == ["default", "development", "production", "testing"]
    assert len(config) == 4
    with pytest.raises(KeyError):
        config["staging"]


def test_an_unknown_attribute_is_an_attribute_error(tmp_path: Path) -> None:
    """A misspelt setting does not pass silently."""
    settings = Settings.load(
        {"SECRET_KEY": SECRET, "DATABASE_URL": "postgresql://u@h/d"}, folder=tmp_path
    )
    with pytest.raises(AttributeError):
        _ = FlaskConfig(settings).SECRETKEY
