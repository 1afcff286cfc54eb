"""The history of the schema `api`, the outbox's tables included."""

from pathlib import Path
from typing import Final

from gateline.shared.migrations import Migrations

MIGRATIONS: Final = Migrations("api", "api", Path(__file__).parent / "versions")
