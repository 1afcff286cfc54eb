"""Where telemetry lies in Valkey. All of it may be lost: it is for looking, not for deciding."""

from typing import Final

LOGS: Final = "gateline:logs"
"""Stream of log records and access lines of all processes, one JSON object each in `ENTRY`."""
SECONDS: Final = "gateline:seconds"
"""Stream of what each edge did in each second with traffic, one JSON object each in `ENTRY`."""
LIVE: Final = "gateline:live"
"""Channel on which everything is told the moment it is known, one JSON object a message."""
ENTRY: Final = "entry"
"""The one field of an entry in a stream."""

MOST_LOGS: Final = 20_000
MOST_SECONDS: Final = 10_000
"""A minute of 160 edge workers, each of which tells of every second."""
MINUTE_LIFE_SECONDS: Final = 25 * 3600


def minute_key(minute: int) -> str:
    """Return the key of the hash that sums up one minute of all edges; `minute` since the epoch."""
    return f"gateline:traffic:{minute}"
