"""What a person may have meant."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final
from urllib.parse import quote

_MOST_NAMED: Final = 12
_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_IN_PATHS: Final = "/!$&'()*+,;=:@-._~%"


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


def percent_encoded(text: str, *, keep: str = "") -> str:
    """Return a path as URIs write it (RFC 3986, section 2.1); `keep` is left as it is besides.

    >>> percent_encoded("/50% für dich")
    '/50%25%20f%C3%BCr%20dich'
    """
    return quote(_STRAY_PERCENT.sub("%25", text), safe=f"{_IN_PATHS}{keep}")
