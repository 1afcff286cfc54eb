"""Which answers of a route a shared cache may keep, and when it may use them (RFC 9111).

Stricter than the RFC in two ways: what somebody asked as themselves (with credentials of any kind
or any cookie) is kept, and given to such requests, only where the answer itself says `public`; and
an answer that sets a cookie is never kept.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateline.policy.cache_control import Directives, directives, first, http_date, seconds
from gateline.policy.headers import SPOOFABLE, Headers


@dataclass(frozen=True, slots=True)
class CacheRule:
    """Keep answers that the upstream allows to share, at most `most_seconds`.

    `default_seconds` is the freshness of an answer that names none; `vary_on` are request headers
    (lower case) that tell answers apart besides those that the answer's Vary lists.
    `stale_if_error_seconds` is how long past its freshness an answer that does not forbid it may
    stand in for an upstream that fails; the answer's own `stale-if-error` goes before it.
    """

    default_seconds: int = 0
    most_seconds: int = 3600
    vary_on: frozenset[bytes] = frozenset()
    stale_if_error_seconds: int = 0


class Use(Enum):
    """What may be done with a stored answer."""

    SERVE = "serve"
    SERVE_WHILE_RENEWED = "serve while renewed"
    VALIDATE = "validate"


@dataclass(frozen=True, slots=True)
class Freshness:
    """How long a stored answer may be used; all in seconds, `received_at` since the epoch.

    `first_age` is how old it was when it came. `is_public` allows to give it to anybody.
    `is_strict` forbids to ever serve it stale, `always_validate` to serve it unasked.
    """

    received_at: float
    first_age: float
    lifetime: float
    is_public: bool
    is_strict: bool
    always_validate: bool
    stale_if_error: float
    stale_while_revalidate: float

    def age(self, now: float) -> float:
        """Return the answer's age (RFC 9111, section 4.2.3)."""
        return self.first_age + max(0.0, now - self.received_at)

    def left(self, now: float) -> float:
        """Return how long it is still fresh, negative when it is stale."""
        return self.lifetime - self.age(now)


_BY_DEFAULT: Final = frozenset({200, 203, 204, 300, 301, 308})
_WHEN_TOLD: Final = _BY_DEFAULT | {302, 307, 404, 405, 410, 414, 501}
_IDENTITY: Final = frozenset(
    {b"x-consumer", b"x-user-email", b"x-user-id", b"x-user-issuer", b"x-user-type"}
)
_UNTELLABLE: Final = SPOOFABLE - _IDENTITY
_ENDLESS: Final = b"text/event-stream"
_FAILED: Final = frozenset({500, 502, 503, 504})


def may_keep(
    rule: CacheRule,
    status: int,
    headers: Headers,
    *,
    is_private: bool,
    asked_at: float,
    received_at: float,
) -> Freshness | None:
    """Return how long the answer to a GET may be used, None when it must not be kept.

    `headers` are those of the answer, names in lower case; `is_private` tells that the request
    had credentials or cookies. Times are epoch seconds: when the request left and its answer came.
    """
    said = directives(headers)
    is_public = "public" in said
    if (
        status not in _WHEN_TOLD
        or "no-store" in said
        or "private" in said
        or (is_private and not is_public)
        or first(headers, b"set-cookie") is not None
        or (first(headers, b"content-type") or b"").lower().startswith(_ENDLESS)
        or varying(headers) is None
    ):
        return None
    freshness = _freshness(rule, status, headers, said, asked_at, received_at)
    if freshness.lifetime > 0 or _has_validator(headers):
        return freshness if _is_told(rule, status, said, headers) else None
    return None


def _is_told(rule: CacheRule, status: int, said: Directives, headers: Headers) -> bool:
    """Tell whether anything allows to keep it: its own words, or our default for its status."""
    told = {"max-age", "s-maxage", "no-cache"} & said.keys() or first(headers, b"expires")
    return bool(told) or (rule.default_seconds > 0 and status in _BY_DEFAULT)


def _freshness(
    rule: CacheRule,
    status: int,
    headers: Headers,
    said: Directives,
    asked_at: float,
    received_at: float,
) -> Freshness:
    date = http_date(first(headers, b"date"))
    date = received_at if date is None else date
    lifetime = _lifetime(rule, status, headers, said, date)
    on_error = seconds(said, "stale-if-error")
    if on_error is None:
        on_error = rule.stale_if_error_seconds
    return Freshness(
        received_at=received_at,
        first_age=_first_age(headers, date, asked_at, received_at),
        lifetime=min(lifetime, rule.most_seconds),
        is_public="public" in said,
        is_strict=bool({"must-revalidate", "proxy-revalidate", "s-maxage"} & said.keys()),
        always_validate="no-cache" in said,
        stale_if_error=min(on_error, rule.most_seconds),
        stale_while_revalidate=min(
            seconds(said, "stale-while-revalidate") or 0.0, rule.most_seconds
        ),
    )


def _lifetime(
    rule: CacheRule, status: int, headers: Headers, said: Directives, date: float
) -> float:
    """Return the freshness lifetime: s-maxage, max-age, Expires, then our default (4.2.1)."""
    for name in ("s-maxage", "max-age"):
        told = seconds(said, name)
        if told is not None:
            return told
    expires = first(headers, b"expires")
    if expires is not None:
        until = http_date(expires)
        return 0.0 if until is None else max(0.0, until - date)
    return float(rule.default_seconds) if status in _BY_DEFAULT else 0.0


def _first_age(headers: Headers, date: float, asked_at: float, received_at: float) -> float:
    """Return the corrected initial age (RFC 9111, section 4.2.3)."""
    told = first(headers, b"age") or b""
    age = float(told[:12]) if told.isdigit() else 0.0
    return max(0.0, received_at - date, age + max(0.0, received_at - asked_at))


def _has_validator(headers: Headers) -> bool:
    return any(name in (b"etag", b"last-modified") for name, _ in headers)


def varying(headers: Headers) -> frozenset[bytes] | None:
    """Return the request headers that an answer depends on, None when that cannot be told.

    An encoded body depends on Accept-Encoding even when its sender forgot to say so.
    """
    names = {
        name.strip().lower()
        for key, value in headers
        if key == b"vary"
        for name in value.split(b",")
    } - {b""}
    if any(key == b"content-encoding" for key, _ in headers):
        names.add(b"accept-encoding")
    if b"*" in names or names & _UNTELLABLE:
        return None
    return frozenset(names)


def may_use(freshness: Freshness, asked: Directives, now: float) -> Use:
    """Return what may be done for a request with these directives (RFC 9111, 4.2 and 5.2.1)."""
    age = freshness.age(now)
    left = freshness.lifetime - age
    if not asked and left > 0 and not freshness.always_validate:
        return Use.SERVE
    oldest = seconds(asked, "max-age")
    if "no-cache" in asked or freshness.always_validate or (oldest is not None and age > oldest):
        return Use.VALIDATE
    if left > (seconds(asked, "min-fresh") or 0.0):
        return Use.SERVE
    if freshness.is_strict:
        return Use.VALIDATE
    if "max-stale" in asked and -left <= _most_stale(asked):
        return Use.SERVE
    if "min-fresh" not in asked and -left < freshness.stale_while_revalidate:
        return Use.SERVE_WHILE_RENEWED
    return Use.VALIDATE


def _most_stale(asked: Directives) -> float:
    """Return how stale the client takes it; max-stale without a value means any."""
    if asked["max-stale"] is None:
        return float("inf")
    return seconds(asked, "max-stale") or 0.0


def may_stand_in(freshness: Freshness, asked: Directives, now: float) -> bool:
    """Tell whether a stale answer may be used because the upstream failed (RFC 5861, section 4).

    Who asks with `no-cache` wants none that was not confirmed (RFC 9111, section 5.2.1.4).
    """
    if freshness.is_strict or freshness.always_validate or "no-cache" in asked:
        return False
    allowed = max(freshness.stale_if_error, seconds(asked, "stale-if-error") or 0.0)
    return -freshness.left(now) < allowed


def is_failure(status: int) -> bool:
    """Tell whether an upstream's status allows a stale answer in its place (RFC 5861, 4)."""
    return status in _FAILED


def validators(headers: Headers) -> Headers:
    """Return the request headers that ask whether this stored answer is still true (4.3.1)."""
    etag, modified = first(headers, b"etag"), first(headers, b"last-modified")
    found: Headers = []
    if etag is not None:
        found.append((b"if-none-match", etag))
    if modified is not None:
        found.append((b"if-modified-since", modified))
    return found


_OF_THE_BODY: Final = frozenset(
    {b"content-encoding", b"content-length", b"content-range", b"content-type"}
)


def renewed(headers: Headers, confirmed: Headers) -> Headers:
    """Return stored headers after a 304 with these: its own take their place (section 3.2)."""
    news = [pair for pair in confirmed if pair[0] not in _OF_THE_BODY]
    names = {name for name, _ in news}
    return [*(pair for pair in headers if pair[0] not in names), *news]


def without_age(headers: Headers) -> Headers:
    """Return the headers of an answer that is kept: its age is counted anew each time (4.2.3)."""
    return [pair for pair in headers if pair[0] != b"age"]


def without_body(headers: Headers) -> Headers:
    """Return the headers of a 304: those that describe a body that does not come are left out."""
    return [pair for pair in headers if pair[0] not in _OF_THE_BODY]


def is_same(headers: Headers, confirmed: Headers) -> bool:
    """Tell whether a 304 speaks of this stored answer: its strong or weak ETag is the same."""
    etag, other = first(headers, b"etag"), first(confirmed, b"etag")
    return etag is None or other is None or etag.removeprefix(b"W/") == other.removeprefix(b"W/")


def selecting(
    names: frozenset[bytes], headers: Headers, own: Headers, rule: CacheRule
) -> tuple[tuple[bytes, bytes], ...]:
    """Return what tells this request's answer from another's: the named headers, normalised.

    One that is not there is left out, as it is another than an empty one (RFC 9111, section 4.1).
    `own` are the identity headers that the gateway adds; a client's own of that name never count.
    """
    if not names and not rule.vary_on:
        return ()
    found: dict[bytes, list[bytes]] = {name: [] for name in sorted(names | rule.vary_on)}
    for name, value in headers:
        if name in found and name not in SPOOFABLE:
            found[name].append(_normalised(value))
    for name, value in own:
        if name in found:
            found[name].append(value)
    return tuple((name, b",".join(values)) for name, values in found.items() if values)


def _normalised(value: bytes) -> bytes:
    """Return a value without the white space that means nothing: at its ends and at commas.

    Within quotes it may mean something, so a value with any keeps what is between its ends.
    """
    if b'"' in value:
        return value.strip()
    return b",".join(part.strip() for part in value.split(b","))


_PRIVATE: Final = frozenset(
    {b"authorization", b"cookie", b"x-api-key", b"x-auth-token", b"x-service-key"}
)


def is_private(
    fields: Mapping[bytes, bytes], own: Headers, telling: Collection[bytes] = ()
) -> bool:
    """Tell whether somebody asks as themselves: with credentials, cookies, or known by the edge.

    `telling` are more headers (lower case) that say who asks, such as those that a limit counts by.
    """
    return bool(own) or not _PRIVATE.isdisjoint(fields) or any(name in fields for name in telling)
