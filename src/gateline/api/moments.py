"""Points in time as the tables hold them, read from the clock that the app was given."""

from datetime import UTC, datetime

from gateline.shared.app import parts


def now() -> datetime:
    """Return the present in UTC."""
    return at(parts().clock())


def at(epoch: float) -> datetime:
    """Return the moment of so many seconds since the epoch, in UTC."""
    return datetime.fromtimestamp(epoch, UTC)
