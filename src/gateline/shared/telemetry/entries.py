"""What an entry of the log stream looks like, for a log record and for an access line alike."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
ACCESS_FIELDS: Final = (
    "method",
    "path",
    "status",
    "duration_ms",
    "route",
    "upstream",
    "user_id",
    "reason",
)
"""What an access line has besides; a field that has no value is left out."""
MOST_CHARACTERS: Final = 4_000
"""Longer messages are cut."""
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode

Entry = dict[str, Any]
"""`at` (ISO 8601, `Z`), `service`, `level` (one of LEVELS), `logger`, `message`, `request_id`
where there is one, and for access lines the ACCESS_FIELDS."""


def encode(entry: Mapping[str, Any]) -> str:
    """Return an object as it is stored and told: one line of JSON."""
    return _encode(entry)


def level_rank(level: str) -> int:
    """Return how grave a level is; an unknown one counts as info."""
    return LEVELS.index(level) if level in LEVELS else 1


def iso(seconds: float) -> str:
    """Return epoch seconds as ISO 8601 in UTC, to the millisecond, with `Z`."""
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which entries are wanted; an empty field asks for all.

    `level` is the least grave one wanted, `text` is looked for in message and path without regard
    to case, `since` in epoch seconds.
    """

    service: str = ""
    level: str = ""
    text: str = ""
    request_id: str = ""
    since: float | None = None

    def takes(self, entry: Mapping[str, Any]) -> bool:
        """Tell whether an entry is wanted."""
        if self.service and entry.get("service") != self.service:
            return False
        if self.level and level_rank(str(entry.get("level"))) < level_rank(self.level):
            return False
        if self.request_id and entry.get("request_id") != self.request_id:
            return False
        if self.since is not None and str(entry.get("at", "")) < iso(self.since):
            return False
        return not self.text or self._has_text(entry)

    def _has_text(self, entry: Mapping[str, Any]) -> bool:
        wanted = self.text.casefold()
        return any(wanted in str(entry.get(name, "")).casefold() for name in ("message", "path"))
