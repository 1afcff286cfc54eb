"""Settings: precedence, aliases, and what production refuses."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from gateline.shared.config import ConfigError, Settings

SECRET = "kX2vQ9-fT7mLr4Wz_8sYbN1cHdJ0aGeU"
BASE = {"SECRET_KEY": SECRET, "DATABASE_URL": "postgresql://u:p@db/app"}
PRODUCTION = BASE | {"FLASK_ENV": "production", "ALLOWED_HOSTS": "api.example.com"}


def wrong(environ: dict[str, str], folder: Path) -> dict[str, str]:
    """Return what is wrong with an environment, by variable."""
    with pytest.raises(ConfigError) as caught:
        Settings.load(environ, folder=folder)
    return {problem.variable: problem.message for problem in caught.value.problems}


def test_defaults_are_the_documented_ones(tmp_path: Path) -> None:
    """Without anything set but the secrets, the documented defaults hold."""
    settings = Settings.load(BASE, folder=tmp_path)
    assert (settings.flask_env, settings.flask_port, settings.metrics_port) == (
        "development",
        8000,
        9090,
    )
    assert (settings.access_token_minutes, settings.session_idle_seconds) == (30, 900)
    assert settings.jwt_algorithm == "HS256"


def test_stronger_layers_win(tmp_path: Path) -> None:
    """Command line beats environment beats .env beats config.py beats the data folder."""
    (tmp_path / ".gateline").mkdir()
    (tmp_path / ".gateline" / "env").write_text("FLASK_PORT=1\nLOG_BACKUPS=1\nJWT_ISSUER=up\n")
    (tmp_path / "config.py").write_text("class Config:\n    FLASK_PORT = 2\n    LOG_BACKUPS = 2\n")
    (tmp_path / ".env").write_text("FLASK_PORT=3\nMETRICS_PORT=3\n")
    settings = Settings.load(BASE | {"FLASK_PORT": "4"}, folder=tmp_path, flask_port=5)
    assert settings.flask_port == 5
    assert Settings.load(BASE | {"FLASK_PORT": "4"}, folder=tmp_path).flask_port == 4
    assert (settings.metrics_port, settings.log_backups, settings.jwt_issuer) == (3, 2, "up")


def test_an_alias_in_a_stronger_layer_beats_the_preferred_name_in_a_weaker(tmp_path: Path) -> None:
    """Precedence goes by layer first and by name second."""
    (tmp_path / ".env").write_text("JWT_ACCESS_TOKEN_EXPIRE_MINUTES=5\n")
    settings = Settings.load(BASE | {"ACCESS_TOKEN_EXPIRE_MINUTES": "7"}, folder=tmp_path)
    assert settings.access_token_minutes == 7


def test_an_override_of_none_counts_as_not_given(tmp_path: Path) -> None:
    """A command-line option that was left out does not hide the environment."""
    assert (
        Settings.load(BASE | {"FLASK_PORT": "4"}, folder=tmp_path, flask_port=None).flask_port == 4
    )


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_the_database_url_names_our_driver(scheme: str, tmp_path: Path) -> None:
    """Every customary spelling of a PostgreSQL URL ends in the same driver."""
    settings = Settings.load(BASE | {"DATABASE_URL": f"{scheme}://u@h/d"}, folder=tmp_path)
    assert settings.database_url == "postgresql+psycopg://u@h/d"


@pytest.mark.parametrize("place", ["h:5432", "u:p:w@h:5432", "u:p@[::1]:5432", "[::1]", "h:"])
def test_a_database_url_may_name_a_port(place: str, tmp_path: Path) -> None:
    """A port, none, and addresses and passwords that hold colons."""
    settings = Settings.load(BASE | {"DATABASE_URL": f"postgresql://{place}/d"}, folder=tmp_path)
    assert settings.database_url == f"postgresql+psycopg://{place}/d"


@pytest.mark.parametrize("place", ["h:port", "u:p@h:port", "u:5432@[::1]:port"])
def test_a_database_url_with_a_wrong_port_is_refused(place: str, tmp_path: Path) -> None:
    """Waiting for the server would not help."""
    with pytest.raises(ConfigError, match="DATABASE_URL names no port"):
        Settings.load(BASE | {"DATABASE_URL": f"postgresql://{place}/d"}, folder=tmp_path)


def test_the_documented_config_class_is_enough(tmp_path: Path) -> None:
    """The config.py that document 2 shows configures a service."""
    (tmp_path / "config.py").write_text(
        "class Config:\n"
        f"    SECRET_KEY = {SECRET!r}\n"
        "    SQLALCHEMY_DATABASE_URI = 'postgresql://user:pass@localhost/dbname'\n"
        "    JWT_ALGORITHM = 'HS256'\n"
        "    ACCESS_TOKEN_EXPIRE_MINUTES = 45\n"
    )
    settings = Settings.load({}, folder=tmp_path)
    assert settings.access_token_minutes == 45
    assert settings.database_url == "postgresql+psycopg://user:pass@localhost/dbname"


def test_the_token_key_falls_back_to_the_secret_key(tmp_path: Path) -> None:
    """JWT_SECRET_KEY is optional."""
    assert Settings.load(BASE, folder=tmp_path).jwt_secret_key == SECRET
    other = Settings.load(BASE | {"JWT_SECRET_KEY": "another"}, folder=tmp_path)
    assert other.jwt_secret_key == "another"


def test_a_missing_secret_outside_production_says_what_to_do(tmp_path: Path) -> None:
    """Without `gateline up` and without variables, the message names both ways out."""
    problems = wrong({}, tmp_path)
    assert set(problems) == {"SECRET_KEY", "DATABASE_URL"}
    assert "gateline up" in problems["DATABASE_URL"]


def test_what_gateline_up_wrote_is_found(tmp_path: Path) -> None:
    """Generated secrets and addresses are read from the data folder."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "env").write_text(f"SECRET_KEY={SECRET}\nDATABASE_URL=postgres://u@h/d\n")
    settings = Settings.load({"GATELINE_DATA_DIR": "data"}, folder=tmp_path)
    assert settings.secret_key == SECRET


def test_production_never_reads_the_data_folder(tmp_path: Path) -> None:
    """Secrets generated for trying out do not leak into production."""
    (tmp_path / ".gateline").mkdir()
    (tmp_path / ".gateline" / "env").write_text("\n".join(f"{k}={v}" for k, v in BASE.items()))
    problems = wrong({"FLASK_ENV": "production", "ALLOWED_HOSTS": "a.example.com"}, tmp_path)
    assert set(problems) == {"SECRET_KEY", "DATABASE_URL"}


def test_production_starts_with_sound_settings(tmp_path: Path) -> None:
    """Nothing is refused without need."""
    assert Settings.load(PRODUCTION, folder=tmp_path).production


def test_production_names_every_wrong_setting_at_once(tmp_path: Path) -> None:
    """One start is enough to learn everything that has to change."""
    problems = wrong(
        {
            "FLASK_ENV": "production",
            "SECRET_KEY": "your-secret-key",
            "JWT_ALGORITHM": "none",
            "FLASK_DEBUG": "1",
            "CORS_ORIGINS": "*",
            "GATELINE_SAMPLE_PASSWORD": "try",
            "ADMIN_PASSWORD": "admin",
            "SERVICE_KEYS": "orders:short",
            "FLASK_PORT": "eight",
        },
        tmp_path,
    )
    assert set(problems) == {
        "SECRET_KEY",
        "JWT_ALGORITHM",
        "DEBUG",
        "CORS_ORIGINS",
        "GATELINE_SAMPLE_PASSWORD",
        "ADMIN_PASSWORD",
        "SERVICE_KEYS",
        "FLASK_PORT",
        "ALLOWED_HOSTS",
        "DATABASE_URL",
    }


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "mysql://root:hunter2@h/d"),
        ("REDIS_URL", "http://:hunter2@h"),
        ("SERVICE_KEYS", "hunter2"),
        ("JWT_SERVICE_URL", "ftp://user:hunter2@h"),
        ("CORS_ORIGINS", "https://user:hunter2@app.example.com"),
        ("FLASK_PORT", "hunter2"),
    ],
)
def test_messages_never_repeat_the_value(variable: str, value: str, tmp_path: Path) -> None:
    """A wrong value may be a secret in the wrong place."""
    with pytest.raises(ConfigError) as caught:
        Settings.load(BASE | {variable: value}, folder=tmp_path)
    assert variable in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    """Printing the settings shows no secret."""
    text = repr(Settings.load(BASE, folder=tmp_path))
    assert SECRET not in text
    assert "u:p@" not in text


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    """What was checked stays as it was checked."""
    settings = Settings.load(BASE, folder=tmp_path)
    with pytest.raises(ValidationError):
        settings.debug = True  # type: ignore[misc] # the point of the test


def test_an_asymmetric_algorithm_needs_a_key_set(tmp_path: Path) -> None:
    """RS256 without keys is found at the start, not at the first login."""
    assert set(wrong(BASE | {"JWT_ALGORITHM": "RS256"}, tmp_path)) == {"JWT_KEYS_FILE"}
    missing = wrong(BASE | {"JWT_KEYS_FILE": str(tmp_path / "none.json")}, tmp_path)
    assert set(missing) == {"JWT_KEYS_FILE"}


def test_an_empty_value_counts_as_unset(tmp_path: Path) -> None:
    """A copied .env.example with empty lines changes nothing."""
    assert (
        Settings.load(BASE | {"FLASK_PORT": "", "DEBUG": " "}, folder=tmp_path).flask_port == 8000
    )
