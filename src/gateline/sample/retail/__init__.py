"""Retail: the user service (registration) and the edge processor (events) of a shop.

A reference upstream that keeps its data in the schema `retail`. It runs whole or in parts.
"""

import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Final

from flask import Blueprint, Flask
from werkzeug.routing import BaseConverter

from gateline.sample.retail import routes_events, routes_users
from gateline.sample.retail.models import SCHEMA
from gateline.shared.app import build_app
from gateline.shared.config import Settings
from gateline.shared.migrations import Migrations, init_migrations

__all__ = ["MIGRATIONS", "PARTS", "create_app"]

PARTS: Final = ("users", "events")
MIGRATIONS: Final = Migrations("retail", SCHEMA, Path(__file__).parent / "migrations" / "versions")

_BLUEPRINTS: Final[Mapping[str, Blueprint]] = MappingProxyType(
    {"users": routes_users.blueprint, "events": routes_events.blueprint}
)


class _CodeConverter(BaseConverter):
    """A camera's code in a path; anything else is no address."""

    regex = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}"
    openapi: ClassVar = MappingProxyType({"type": "string", "pattern": f"^{regex}$"})


def create_app(
    settings: Settings | None = None,
    parts: Collection[str] = PARTS,
    *,
    clock: Callable[[], float] = time.time,
) -> Flask:
    """Build the service with the given parts; ValueError for one that does not exist."""
    unknown = sorted(set(parts) - set(PARTS))
    if unknown or not parts:
        msg = f"no such part of retail: {', '.join(unknown) or 'none given'}; there are {PARTS}"
        raise ValueError(msg)
    name = next(iter(parts)) if len(parts) == 1 else "retail"
    app = build_app(__name__, service=name, settings=settings, clock=clock)
    app.url_map.converters["code"] = _CodeConverter
    for part in PARTS:
        if part in parts:
            app.register_blueprint(_BLUEPRINTS[part])
    init_migrations(app, MIGRATIONS)
    return app
