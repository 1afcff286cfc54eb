"""Clinic: doctors, patients, institutions and admins as four resources of one Flask service.

A reference upstream: it verifies the bearer token that the gateway passes on, keeps its data in
the schema `clinic` and decides itself what each kind of account sees. It runs whole or in parts.
"""

import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Final

from flask import Blueprint, Flask
from werkzeug.routing import BaseConverter

from gateline.sample.clinic import (
    routes_admins,
    routes_doctors,
    routes_institutions,
    routes_patients,
)
from gateline.sample.clinic.models import SCHEMA
from gateline.shared.app import build_app
from gateline.shared.config import Settings
from gateline.shared.migrations import Migrations, init_migrations
from gateline.shared.schemas.base import MAX_ID

__all__ = ["MIGRATIONS", "PARTS", "create_app"]

PARTS: Final = ("doctors", "patients", "institutions", "admins")
MIGRATIONS: Final = Migrations("clinic", SCHEMA, Path(__file__).parent / "migrations" / "versions")

_ID_DIGITS: Final = len(str(MAX_ID))
_BLUEPRINTS: Final[Mapping[str, Blueprint]] = MappingProxyType(
    {
        "doctors": routes_doctors.blueprint,
        "patients": routes_patients.blueprint,
        "institutions": routes_institutions.blueprint,
        "admins": routes_admins.blueprint,
    }
)


class _RowIdConverter(BaseConverter):
    """A row's id in a path; a number that PostgreSQL could not hold is read as 0, which none has.

    Refusing it here would answer 405 instead of 404 where the address knows other methods.
    """

    regex = r"[0-9]+"
    openapi: ClassVar = MappingProxyType({"type": "integer", "minimum": 1, "maximum": MAX_ID})

    def to_python(self, value: str) -> int:
        """Return the id."""
        number = int(value) if len(value) <= _ID_DIGITS else 0
        return number if number <= MAX_ID else 0


def create_app(
    settings: Settings | None = None,
    parts: Collection[str] = PARTS,
    *,
    clock: Callable[[], float] = time.time,
) -> Flask:
    """Build the service with the given parts; ValueError for one that does not exist."""
    unknown = sorted(set(parts) - set(PARTS))
    if unknown or not parts:
        msg = f"no such part of the clinic: {', '.join(unknown) or 'none given'}; there are {PARTS}"
        raise ValueError(msg)
    name = next(iter(parts)) if len(parts) == 1 else "clinic"
    app = build_app(__name__, service=name, settings=settings, clock=clock)
    app.url_map.converters["row_id"] = _RowIdConverter
    for part in PARTS:
        if part in parts:
            app.register_blueprint(_BLUEPRINTS[part])
    init_migrations(app, MIGRATIONS)
    return app
