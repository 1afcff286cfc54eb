"""Times, sizes, names and the like, with what to write instead of a wrong one."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from gateline.policy.credentials import ASYMMETRIC_ALGORITHMS
from gateline.policy.limits import Limit
from gateline.shared.gateway.suggestions import one_of
from gateline.shared.gateway.tables import Shorthand, wrong

DURATION_FORM: Final = r"^[0-9]+(\.[0-9]+)?(ms|s|m|h)$"
SIZE_FORM: Final = r"^[0-9]+(\.[0-9]+)?(kB|KB|MB|GB|KiB|MiB|GiB|B)$"
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]+)?)\s*(kB|KB|MB|GB|KiB|MiB|GiB|B)")
_BYTES: Final = {
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_ROUTE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_TARGET: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_HASH_ON: Final = re.compile(r"client|user|(header|cookie):[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_LIMIT_BY: Final = re.compile(r"client|user|service_key|route|header:[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_MOST_REQUESTS: Final = 1_000_000_000
_USER_TYPE: Final = re.compile(r"[!-~](?:[ -~]{0,254}[!-~])?")
_DIGEST: Final = re.compile(r"[0-9a-fA-F]{64}")


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise wrong(f"{value!r} is no duration", 'write seconds, or "500ms", "10s", "5m", "1h"')
    return float(match[1]) * _SECONDS[match[2]]


def _bytes(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise wrong(f"{value!r} is no size", 'write bytes, or "500kB", "10MB", "1GiB"')
    return int(float(match[1]) * _BYTES[match[2]])


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise wrong(
            f"{value!r} is no name", "use lower-case letters, digits, - and _, such as shop-api"
        )
    return value


def _route_name(value: str) -> str:
    if not _ROUTE_NAME.fullmatch(value):
        raise wrong(f"{value!r} is no name", "use letters, digits, -, _ and ., such as shop-read")
    return value


def _rate(value: str) -> str:
    try:
        limit = Limit.parse(value)
    except ValueError:
        raise wrong(
            f"{value!r} is no rate", 'write "600/minute" (second, minute, hour, day)'
        ) from None
    if limit.requests > _MOST_REQUESTS:
        raise wrong(
            f"{value!r} is more than can be counted", f"write at most {_MOST_REQUESTS}, or none"
        )
    return value


def _limited_by(value: str) -> str:
    if not _LIMIT_BY.fullmatch(value):
        raise wrong(
            f"{value!r} says nothing to count by",
            one_of(value, ("client", "user", "service_key", "route", "header:NAME")),
        )
    return value


def _hashed_on(value: str) -> str:
    if not _HASH_ON.fullmatch(value):
        raise wrong(
            f"{value!r} says nothing to hash",
            one_of(value, ("client", "user", "header:NAME", "cookie:NAME")),
        )
    return value


def _app(value: str) -> str:
    if not _TARGET.fullmatch(value):
        raise wrong(f"{value!r} names no app", 'write "module:create_app" or "package.module:app"')
    return value


def _variable(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise wrong(f"{value!r} is no name of a variable", "write it as SHOP_CURRENCY")
    return value


def _text(value: str) -> str:
    """Return a text that a token may hold and a header can tell."""
    if not value or value != value.strip() or not value.isprintable():
        raise wrong(f"{value!r} is nothing that could be said", "write visible characters")
    return value


def _user_type(value: str) -> str:
    """Return a user type: it goes to services in a header."""
    if not _USER_TYPE.fullmatch(value):
        raise wrong(
            f"{value!r} cannot stand in a header", "write letters, digits and -, such as shop-admin"
        )
    return value


def _value(value: str) -> str:
    if "\0" in value:
        raise wrong("the value of a variable has no zero byte", "take it out")
    return value


def _digest(value: str) -> str:
    if not _DIGEST.fullmatch(value):
        raise wrong(
            "is no SHA-256 digest (64 hexadecimal digits)",
            "make the table with `gateline key new NAME`; the key itself does not belong here",
        )
    return value.lower()


def _algorithm(value: str) -> str:
    if value not in ASYMMETRIC_ALGORITHMS:
        raise wrong(
            f"{value!r} is no algorithm with a public key", one_of(value, ASYMMETRIC_ALGORITHMS)
        )
    return value


_AS_SECONDS: Final = Shorthand(_seconds, ({"type": "string", "pattern": DURATION_FORM},))
Duration = Annotated[float, Field(gt=0, le=86400), _AS_SECONDS]
Pause = Annotated[float, Field(ge=0, le=86400), _AS_SECONDS]
Size = Annotated[int, Field(gt=0), Shorthand(_bytes, ({"type": "string", "pattern": SIZE_FORM},))]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Share = Annotated[float, Field(gt=0, le=1)]
Name = Annotated[str, AfterValidator(_name)]
RouteName = Annotated[str, AfterValidator(_route_name)]
Rate = Annotated[str, AfterValidator(_rate)]
LimitedBy = Annotated[str, AfterValidator(_limited_by)]
HashedOn = Annotated[str, AfterValidator(_hashed_on)]
App = Annotated[str, AfterValidator(_app)]
Variable = Annotated[str, AfterValidator(_variable)]
Text = Annotated[str, AfterValidator(_text)]
UserType = Annotated[str, AfterValidator(_user_type)]
Value = Annotated[str, AfterValidator(_value)]
Digest = Annotated[str, AfterValidator(_digest)]
Algorithm = Annotated[str, AfterValidator(_algorithm)]
