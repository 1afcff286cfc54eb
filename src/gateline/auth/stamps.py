"""Of when the value of each field of an account is.

Several services tell of one account, each of the fields that it knows, and their messages may
overtake each other: so each field has a stamp of its own, and an older value never overwrites a
newer one, nor does a newer value of one field shut out an older one of another.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from gateline.auth.models import User

NAMES = ("first_name", "last_name")


def stamp_of(user: User, field: str) -> datetime | None:
    """Return of when a field's value is, None when it was never told since the account was made."""
    text = user.field_stamps.get(field)
    return None if text is None else datetime.fromisoformat(text)


def name_stamp(user: User) -> datetime:
    """Return of when an account's name is."""
    return max(stamp_of(user, field) or user.created_at for field in NAMES)


def phone_stamp(user: User) -> datetime:
    """Return of when an account's telephone number is."""
    return stamp_of(user, "phone") or user.created_at


def not_older(user: User, fields: Iterable[str], moment: datetime) -> frozenset[str]:
    """Return those of the fields whose value is not newer than a message of this moment."""
    return frozenset(
        field for field in fields if (found := stamp_of(user, field)) is None or found <= moment
    )


def stamp(user: User, fields: Collection[str], moment: datetime) -> None:
    """Note that the values of these fields are of this moment."""
    user.field_stamps = {**user.field_stamps, **dict.fromkeys(fields, moment.isoformat())}
