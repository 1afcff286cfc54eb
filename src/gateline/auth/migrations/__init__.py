"""The history of the schema `auth`."""

from pathlib import Path
from typing import Final

from gateline.shared.migrations import Migrations

MIGRATIONS: Final = Migrations("auth", "auth", Path(__file__).parent / "versions")
