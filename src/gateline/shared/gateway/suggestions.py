"""What a person may have meant."""

from collections.abc import Iterable
from difflib import get_close_matches

_MOST_NAMED = 12


def one_of(written: str, known: Iterable[str]) -> str:
    """Return a remedy: the name that was probably meant, else the names there are."""
    names = sorted(known)
    close = closest(written, names)
    if close is not None:
        return f"did you mean {close!r}?"
    if not names:
        return "there are none"
    if len(names) > _MOST_NAMED:
        return f"there are {', '.join(names[:_MOST_NAMED])} and more"
    return f"choose one of {', '.join(names)}"


def closest(written: str, known: Iterable[str]) -> str | None:
    """Return the known name that looks most like what was written, None when none does."""
    by_lower = {name.lower(): name for name in known}
    found = get_close_matches(written.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None
