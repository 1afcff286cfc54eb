"""The reference of settings, and .env.example made from it."""

from pathlib import Path

from dotenv import dotenv_values

from gateline.shared.config import Settings, env_example, reference

ROOT = Path(__file__).parents[4]


def test_the_example_in_the_repository_is_up_to_date() -> None:
    """`python -m gateline.shared.config > .env.example` was run after the last change."""
    assert (ROOT / ".env.example").read_text() == env_example()


def test_every_setting_is_explained() -> None:
    """No setting comes without a sentence, a group and a variable."""
    rows = reference()
    assert {row.field for row in rows} == set(Settings.model_fields)
    assert all(row.description.endswith(".") and row.group and row.variables for row in rows)


def test_no_variable_sets_two_settings() -> None:
    """Names in the environment are unambiguous."""
    names = [name for row in reference() for name in row.variables]
    assert len(names) == len(set(names))


def test_the_documented_variables_are_honoured() -> None:
    """Every variable that the documents name sets something."""
    documented = {
        "FLASK_ENV", "DEBUG", "FLASK_DEBUG", "SECRET_KEY", "JWT_SECRET_KEY", "JWT_ALGORITHM",
        "DATABASE_URL", "SQLALCHEMY_DATABASE_URI", "REDIS_URL", "LOG_LEVEL", "ALLOWED_HOSTS",
        "CORS_ORIGINS", "FLASK_HOST", "FLASK_PORT", "JWT_ACCESS_TOKEN_EXPIRE_MINUTES",
        "ACCESS_TOKEN_EXPIRE_MINUTES", "JWT_SERVICE_URL", "DOCTOR_SERVICE_URL",
        "PATIENT_SERVICE_URL", "INSTITUTION_SERVICE_URL", "ADMIN_SERVICE_URL", "USER_SERVICE_URL",
        "EDGE_PROCESSOR_URL", "GATELINE_DATA_DIR", "GATELINE_CONFIG", "SERVICE_KEYS",
        "METRICS_PORT", "LOG_FILE", "LOG_FORMAT", "GATELINE_SAMPLE_PASSWORD",
        "ADMIN_USERNAME", "ADMIN_PASSWORD",
    }  # fmt: skip
    assert documented <= {name for row in reference() for name in row.variables}


def test_the_example_sets_nothing_by_itself(tmp_path: Path) -> None:
    """Copied as it is, it leaves every default in place."""
    (tmp_path / "copy").write_text(env_example())
    assert not dotenv_values(tmp_path / "copy")


def test_the_example_holds_no_secret() -> None:
    """Secrets have no default that somebody could keep by mistake."""
    secrets = [row for row in reference() if row.secret and row.field != "redis_url"]
    assert not any(row.default for row in secrets)
