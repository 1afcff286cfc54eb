"""Where the apps of a gateway file are served."""

from pathlib import Path

import pytest

from gateline.policy.services import AppProgram, Service
from gateline.shared.config import Settings
from gateline.shared.gateway.apps import read_addresses, with_addresses, write_addresses

SHOP = Service("shop", (), app=AppProgram("shop:create_app", "/srv"))
STOCK = Service("stock", ())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Give settings with a data folder of their own."""
    environ = {
        "SECRET_KEY": "s" * 32,
        "DATABASE_URL": "postgresql://u@h/d",
        "GATELINE_DATA_DIR": str(tmp_path),
    }
    return Settings.load(environ, folder=tmp_path)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Reading gives what was written last; nothing or nonsense gives no address."""
    assert read_addresses(tmp_path) == {}
    write_addresses(tmp_path, {"shop": "http://127.0.0.1:1"})
    assert read_addresses(tmp_path) == {"shop": "http://127.0.0.1:1"}
    (tmp_path / "apps.json").write_text("[")
    assert read_addresses(tmp_path) == {}


def test_only_apps_get_an_address(settings: Settings, tmp_path: Path) -> None:
    """A service that is no app keeps what its file says, an app that nobody serves has none."""
    services = {"shop": SHOP, "stock": STOCK}
    assert with_addresses(services, settings)["shop"].urls == ()
    write_addresses(tmp_path, {"shop": "http://127.0.0.1:1", "stock": "http://127.0.0.1:2"})

    found = with_addresses(services, settings)

    assert found["shop"].urls == ("http://127.0.0.1:1",)
    assert found["stock"] is STOCK


def test_a_person_goes_first(settings: Settings, tmp_path: Path) -> None:
    """GATELINE_APPS says where an app is served, whatever `gateline up` wrote."""
    write_addresses(tmp_path, {"shop": "http://127.0.0.1:1"})
    named = settings.model_copy(update={"gateline_apps": ("shop=http://shop:9000",)})

    assert with_addresses({"shop": SHOP}, named)["shop"].urls == ("http://shop:9000",)
