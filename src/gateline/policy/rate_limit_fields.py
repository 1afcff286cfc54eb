"""What clients are told of the limits on them, in both notations that are in use.

`X-RateLimit-Limit`, `-Remaining` and `-Reset` by custom; `RateLimit-Policy` and `RateLimit` by the
draft "RateLimit header fields for HTTP" (draft-ietf-httpapi-ratelimit-headers-10), which are lists
of structured fields (RFC 9651): one string for each policy, with integers as parameters.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateline.policy.gcra import LimitRule
from gateline.policy.headers import Headers

CUSTOM_NAMES: Final = frozenset(
    {b"x-ratelimit-limit", b"x-ratelimit-remaining", b"x-ratelimit-reset"}
)
"""The fields by custom: each is said once, of one limit."""

NAMES: Final = CUSTOM_NAMES | {b"ratelimit", b"ratelimit-policy"}
"""The fields that tell of limits: a service's own give way to those of the gateway."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one client stands with one limit: what is `left`, in how many seconds all is free."""

    left: int
    reset: float


def policy_names(rules: Sequence[LimitRule]) -> list[str]:
    """Return a name for each of a route's limits: what it goes by, numbered from the second on."""
    names: list[str] = []
    for rule in rules:
        same = sum(other.by == rule.by for other in rules[: len(names)])
        word = rule.by.replace("_", "-")
        names.append(f"{word}-{same + 1}" if same else word)
    return names


def policy_field(rules: Sequence[LimitRule], names: Sequence[str]) -> tuple[bytes, bytes]:
    """Return RateLimit-Policy: quota `q` in a window of `w` seconds, for each limit by name."""
    items = (
        f'"{name}";q={rule.limit.requests};w={rule.limit.seconds}'
        for name, rule in zip(names, rules, strict=True)
    )
    return b"ratelimit-policy", ", ".join(items).encode("ascii")


def state_item(name: str) -> bytes:
    """Return a member of RateLimit as a format: what remains (`r`) and seconds to reset (`t`)."""
    return b'"%b";r=%%d;t=%%d' % name.encode("ascii")


def state_field(items: Sequence[bytes], standings: Sequence[Standing]) -> tuple[bytes, bytes]:
    """Return RateLimit: where a client stands with each limit, whose members `items` are."""
    members = [
        item % (one.left, math.ceil(one.reset)) for item, one in zip(items, standings, strict=True)
    ]
    return b"ratelimit", b", ".join(members)


def custom_fields(rule: LimitRule, standing: Standing, now: float) -> Headers:
    """Return the X-RateLimit fields; `now` is epoch seconds, and so is -Reset."""
    return [
        (b"x-ratelimit-limit", b"%d" % rule.limit.requests),
        (b"x-ratelimit-remaining", b"%d" % standing.left),
        reset_field(standing, now),
    ]


def reset_field(standing: Standing, now: float) -> tuple[bytes, bytes]:
    """Return X-RateLimit-Reset; `now` is epoch seconds."""
    return b"x-ratelimit-reset", b"%d" % math.ceil(now + standing.reset)


def retry_after(seconds: float) -> tuple[bytes, bytes]:
    """Return Retry-After (RFC 9110, 10.2.3) in whole seconds, at least one."""
    return b"retry-after", b"%d" % max(1, math.ceil(seconds))
