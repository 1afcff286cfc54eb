"""The database schemas of all services, moved together."""

import hashlib
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import gateline
from gateline.local.errors import LocalError

if TYPE_CHECKING:
    from gateline.shared.migrations import Migrations

# Every service with tables has its MIGRATIONS in the package's `__init__`.
OWNERS: Final = {
    "auth": "gateline.auth",
    "clinic": "gateline.sample.clinic",
    "retail": "gateline.sample.retail",
    "api": "gateline.api",
}
_SAMPLES: Final = "gateline.sample."


def all_migrations(*, samples: bool = True) -> "dict[str, Migrations]":
    """Return the migrations of every service with tables, by name, on wish without the samples'."""
    return {
        name: importlib.import_module(owner).MIGRATIONS
        for name, owner in OWNERS.items()
        if samples or not owner.startswith(_SAMPLES)
    }


def migrations_named(name: str | None) -> "dict[str, Migrations]":
    """Return those of one service (None: of all); raise LocalError for a name without tables."""
    if name is not None and name not in OWNERS:
        known = ", ".join(OWNERS)
        raise LocalError(f"There is no schema {name!r}; there are: {known}.")
    return {key: value for key, value in all_migrations().items() if name in (None, key)}


def fingerprint() -> str:
    """Return a digest of every migration that the package brings, without importing one.

    A database marked with it has nothing to upgrade, which saves the second start a second.
    """
    digest = hashlib.sha256(gateline.__version__.encode())
    root = Path(gateline.__file__).parent
    for owner in OWNERS.values():
        folder = root.joinpath(*owner.split(".")[1:], "migrations")
        for file in sorted(folder.rglob("*.py")):
            digest.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes())
    return digest.hexdigest()
