"""What processes are told: a person's own settings, secrets made once."""

import os
from pathlib import Path

import pytest

from gateline.local import environment


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, without settings of the person who runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "SECRET_KEY", "FLASK_ENV", "GATELINE_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


def test_secrets_are_made_once() -> None:
    """A second start with what the first one kept changes nothing."""
    first = environment.kept_secrets({})

    assert environment.kept_secrets(first) == first
    assert len(first["SECRET_KEY"]) >= 32


def test_every_service_has_a_key_of_its_own() -> None:
    """Keys are named per calling service and differ."""
    keys = dict(pair.split(":") for pair in environment.kept_secrets({})["SERVICE_KEYS"].split(","))

    assert set(keys) == set(environment.KEYED_SERVICES)
    assert len(set(keys.values())) == len(keys)


def test_a_service_calls_with_its_own_key() -> None:
    """The shared environment names all keys, a service's SERVICE_KEY is its own."""
    kept = environment.kept_secrets({})
    keys = dict(pair.split(":") for pair in kept["SERVICE_KEYS"].split(","))

    assert environment.service_environment("web", kept)["SERVICE_KEY"] == keys["web"]


def test_a_service_without_a_named_key_has_the_common_one() -> None:
    """Where a person set one key for all, everybody uses it."""
    told = {"SERVICE_KEYS": "shop:k1", "SERVICE_KEY": "common"}

    assert environment.service_environment("web", told)["SERVICE_KEY"] == "common"


def test_own_settings_win_and_keys_are_joined() -> None:
    """A person's secret stays, and a person's service keys stand beside ours."""
    generated = environment.kept_secrets({})
    own = {"secret_key": "mine", "service_keys": "shop:k1"}

    told = environment.own_secrets(own, generated)

    assert told["SECRET_KEY"] == "mine"
    assert "shop:k1" in told["SERVICE_KEYS"]
    assert "web:" in told["SERVICE_KEYS"]
    assert told["SERVICE_KEY"] == generated["SERVICE_KEY"]


def test_the_data_folders_file_is_not_what_the_person_said(tmp_path: Path) -> None:
    """What an earlier run wrote down must not look like a person's choice of servers."""
    (tmp_path / ".gateline").mkdir()
    (tmp_path / ".gateline" / "env").write_text("DATABASE_URL='postgresql://old/db'\n")
    (tmp_path / ".env").write_text("REDIS_URL=redis://named:1/0\n")

    assert environment.configured(["database_url", "redis_url"], {}) == {
        "redis_url": "redis://named:1/0"
    }


def test_production_is_what_flask_env_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only FLASK_ENV=production is production."""
    assert not environment.is_production()
    monkeypatch.setenv("FLASK_ENV", "production")
    assert environment.is_production()


def test_the_data_folder_is_option_then_variable_then_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The command line overrides the environment."""
    assert environment.data_folder_path(None) == Path(".gateline")
    monkeypatch.setenv("GATELINE_DATA_DIR", "/elsewhere")
    assert environment.data_folder_path(None) == Path("/elsewhere")
    assert environment.data_folder_path(Path("/chosen")) == Path("/chosen")


def test_children_inherit_the_rest() -> None:
    """What we say nothing about stays as it is."""
    assert environment.service_environment("web", {})["PATH"] == os.environ["PATH"]


def test_keys_of_a_run_stand_beside_those_of_the_person() -> None:
    """Our own processes have a key each although nobody named one, a named one stays."""
    told = environment.keys_of_this_run({"service_keys": "shop:k1,web:k2"})

    keys = dict(pair.split(":") for pair in told["SERVICE_KEYS"].split(","))
    assert {**keys, "shop": "k1", "web": "k2"} == keys
    assert set(environment.KEYED_SERVICES) <= set(keys)
    assert environment.service_environment("jobs", told)["SERVICE_KEY"] == keys["jobs"]


def test_a_key_that_nobody_has_hides_none_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any key the variable is left out, so that `.env` can still name one."""
    monkeypatch.delenv("SERVICE_KEY", raising=False)

    assert "SERVICE_KEY" not in environment.service_environment("web", {})
