"""Where the apps of a gateway file are served: named by a person, else known from `gateline up`.

`gateline up` serves them on ports of its own choice and writes their addresses down, so that an
edge that reads its file anew finds the new ones too.
"""

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateline.policy.services import Service, endpoints_at

if TYPE_CHECKING:
    from gateline.shared.config import Settings

ADDRESSES: Final = "apps.json"
"""The file in the data folder that has the addresses, by name of the service."""


def with_addresses(services: Mapping[str, Service], settings: "Settings") -> dict[str, Service]:
    """Return the services, those of apps with the address at which they are served.

    GATELINE_APPS goes first. An app that nobody serves yet stays without an endpoint.
    """
    if not any(service.app for service in services.values()):
        return dict(services)
    known = read_addresses(settings.gateline_data_dir) | named_addresses(settings.gateline_apps)
    return {
        name: (
            replace(service, endpoints=endpoints_at(known[name]))
            if service.app and name in known
            else service
        )
        for name, service in services.items()
    }


def named_addresses(pairs: Iterable[str]) -> dict[str, str]:
    """Return the addresses of GATELINE_APPS, which has `name=url` pairs."""
    return {name.strip(): url.strip() for name, _, url in (pair.partition("=") for pair in pairs)}


def read_addresses(folder: Path) -> dict[str, str]:
    """Return the addresses that were written down last; none when there is nothing readable."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((folder / ADDRESSES).read_text(encoding="utf-8"))
        return {str(name): str(url) for name, url in found.items()}
    return {}


def write_addresses(folder: Path, addresses: Mapping[str, str]) -> None:
    """Replace what was written down, at once and whole."""
    fresh = folder / f"{ADDRESSES}.new"
    fresh.write_text(json.dumps(dict(addresses), indent=2) + "\n", encoding="utf-8")
    fresh.replace(folder / ADDRESSES)
