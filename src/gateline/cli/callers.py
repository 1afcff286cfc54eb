"""Who is taken to send a request that is only explained."""

from dataclasses import dataclass
from typing import Final, Literal

from gateline.policy.gcra import LimitRule
from gateline.policy.headers import Headers
from gateline.policy.identity import USER_TYPES, Identity, identity_headers
from gateline.shared.gateway import GatewayPlan

_LATER: Final = 4_102_444_800  # the year 2100
_TOKEN: Final = (b"authorization", b"Bearer (the caller's token)")


class UnknownCaller(ValueError):
    """There is nobody of that name; the message lists who there is."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller. `source` is where the identity comes from, in the words of a route's `accept`."""

    identity: Identity | None = None
    source: str = "session"
    text: str = "anonymous"
    by_cookie: bool = False
    limit: LimitRule | None = None

    @property
    def headers(self) -> Headers:
        """What an upstream is told of the caller: the token too, but never an API key."""
        if self.identity is None:
            return []
        told = [
            (name.lower().encode("ascii"), value.encode("latin-1"))
            for name, value in identity_headers(self.identity)
        ]
        return told if self.identity.consumer else [_TOKEN, *told]


ANYBODY: Final = Caller()


def caller_named(name: str | None, plan: GatewayPlan, *, by_cookie: bool = False) -> Caller:
    """Return the caller: `customer` and other kinds of account, `key:NAME`, `ISSUER:TYPE`.

    Raises UnknownCaller.
    """
    if not name:
        return ANYBODY
    if name in USER_TYPES:
        source: Literal["bearer", "cookie"] = "cookie" if by_cookie else "bearer"
        how = "session cookie" if by_cookie else "bearer token"
        identity = _identity(1, name, f"{name}@example.com", source)
        return Caller(identity, "session", f"{name} with a living session, by {how}", by_cookie)
    kind, _, rest = name.partition(":")
    if kind == "key":
        for key in plan.api_keys:
            if key.name == rest:
                identity = _identity(rest, key.user_type, "", "key", consumer=rest)
                text = f"the API key {rest}, a {key.user_type}"
                return Caller(identity, "key", text, limit=key.limit)
    if rest and any(issuer.name == kind for issuer in plan.issuers):
        identity = _identity("1", rest, f"{rest}@example.com", "bearer", issuer=kind)
        return Caller(identity, kind, f"{rest} with a token of {kind}")
    raise UnknownCaller(f"there is no {name!r}; there are: {', '.join(_known(plan))}")


def _identity(
    user_id: int | str,
    user_type: str,
    email: str,
    source: Literal["bearer", "cookie", "key"],
    *,
    issuer: str = "",
    consumer: str = "",
) -> Identity:
    return Identity(
        user_id=user_id,
        user_type=user_type,
        email=email,
        session_id="1",
        name=email or consumer,
        issued_at=0,
        expires_at=_LATER,
        absolute_expires_at=_LATER,
        source=source,
        issuer=issuer,
        consumer=consumer,
    )


def _known(plan: GatewayPlan) -> list[str]:
    keys = [f"key:{key.name}" for key in plan.api_keys]
    return [*USER_TYPES, *keys, *(f"{issuer.name}:TYPE" for issuer in plan.issuers)]
