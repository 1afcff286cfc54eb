"""Which limit a route sets, and of whom: the rule that the generic cell rate algorithm decides."""

from dataclasses import dataclass
from typing import Literal

from gateline.policy.limits import Limit

LimitedBy = Literal["client", "user", "service_key", "route", "header"]


@dataclass(frozen=True, slots=True)
class LimitRule:
    """`limit` for each value of `by`, with `burst` requests allowed at once.

    `client` is the address, `user` the identity (the address of the anonymous), `service_key` the
    calling service, `route` everybody together, `header` the value of `header` (lower case).
    """

    limit: Limit
    burst: int
    by: LimitedBy = "client"
    header: bytes = b""
