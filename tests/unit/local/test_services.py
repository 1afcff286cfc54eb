"""The services of one machine."""

import importlib

import pytest

from gateline.local.errors import LocalError
from gateline.local.services import SERVICES, service_named
from gateline.shared.config import Settings


@pytest.mark.parametrize("name", list(SERVICES))
def test_every_service_can_be_made(name: str) -> None:
    """Its target names a factory that is there."""
    module, _, factory = SERVICES[name].target.partition(":")

    assert callable(getattr(importlib.import_module(module), factory))


def test_addresses_are_told_by_settings_that_exist() -> None:
    """A variable that no process reads would leave a service unfound."""
    told = {variable.lower() for service in SERVICES.values() for variable in service.url_variables}

    assert told <= set(Settings.model_fields)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    """The message lists what there is."""
    known = ", ".join(sorted(SERVICES))
    with pytest.raises(LocalError, match=f"no service 'wbe'; there are: {known}"):
        service_named("wbe")
