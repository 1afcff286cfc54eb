"""What single services cannot do without, told together with everything else."""

from pathlib import Path

import pytest

from gateline.shared.config import ConfigError, Settings

SECRET = "kX2vQ9-fT7mLr4Wz_8sYbN1cHdJ0aGeU"
BASE = {"SECRET_KEY": SECRET, "DATABASE_URL": "postgresql://u:p@db/app"}
PRODUCTION = BASE | {"FLASK_ENV": "production", "ALLOWED_HOSTS": "api.example.com"}
AUTH = {"JWT_SERVICE_URL": "http://auth:8000", "SERVICE_KEY": SECRET[::-1]}


def wrong(service: str, environ: dict[str, str], folder: Path) -> set[str]:
    """Return the variables that are named."""
    with pytest.raises(ConfigError) as caught:
        Settings.load(environ, folder=folder, service=service)
    return {problem.variable for problem in caught.value.problems}


@pytest.mark.parametrize("service", ["edge", "web", "jobs"])
def test_everything_that_is_missing_is_named_at_once(service: str, tmp_path: Path) -> None:
    """What only this service needs stands beside what every one needs."""
    found = wrong(service, {"FLASK_ENV": "production", "SERVICE_KEYS": "a:short"}, tmp_path)
    assert found >= {
        "SECRET_KEY", "DATABASE_URL", "ALLOWED_HOSTS", "SERVICE_KEYS",
        "JWT_SERVICE_URL", "SERVICE_KEY",
    }  # fmt: skip
    assert wrong(service, PRODUCTION, tmp_path) == {"JWT_SERVICE_URL", "SERVICE_KEY"}
    assert wrong(service, PRODUCTION | AUTH | {"SERVICE_KEY": ""}, tmp_path) == {"SERVICE_KEY"}
    assert Settings.load(PRODUCTION | AUTH, folder=tmp_path, service=service).production


def test_development_needs_less(tmp_path: Path) -> None:
    """There a service runs alone; only the worker that does nothing but call auth must know it."""
    for service in ("edge", "web", "auth", "clinic"):
        assert not Settings.load(BASE, folder=tmp_path, service=service).production
    assert wrong("jobs", BASE, tmp_path) == {"JWT_SERVICE_URL", "SERVICE_KEY"}


@pytest.mark.parametrize("service", ["auth", "api", "clinic", None])
def test_others_need_no_key(service: str | None, tmp_path: Path) -> None:
    """They call nobody."""
    assert Settings.load(PRODUCTION, folder=tmp_path, service=service).production
