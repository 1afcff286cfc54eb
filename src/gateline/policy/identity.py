"""Who is asking, and whether their kind of account may."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, Literal

from gateline.policy.reasons import ROLE_MISSING, SESSION_MISSING, Reason

USER_TYPES: Final = ("patient", "doctor", "institution", "admin", "customer")


@dataclass(frozen=True, slots=True)
class Identity:
    """An authenticated account within one session.

    Times are seconds since the epoch: `issued_at` and `expires_at` those of the access token,
    `absolute_expires_at` the end of the session however often it is renewed. `source` tells how
    the token came: only a cookie is sent by a browser on its own, so only it needs an origin check.

    `issuer` is empty for our own accounts, whose `user_id` is a number. For an identity from
    outside it is the issuer's name, and `user_id` what that issuer calls the user. `consumer` is
    the name of an API key: a program without an account, whose `user_id` is the same name.

    `created_at` is the account's beginning (0: unknown). `name_as_of` and `phone_as_of` tell of
    when name and telephone number are, in microseconds since the epoch (0: long ago), so that who
    keeps them as well can tell the newer ones.
    """

    user_id: int | str
    user_type: str
    email: str
    session_id: str
    name: str
    issued_at: int
    expires_at: int
    absolute_expires_at: int
    source: Literal["bearer", "cookie", "key"]
    issuer: str = ""
    consumer: str = ""
    created_at: int = 0
    name_as_of: int = 0
    phone: str = field(default="", repr=False)
    phone_as_of: int = 0


def refuse_role(
    identity: Identity | None, *, required: bool, roles: Collection[str]
) -> Reason | None:
    """Return why this identity may not pass, or None when it may.

    `required` refuses the anonymous; a non-empty `roles` refuses every other user type.
    """
    if identity is None:
        return SESSION_MISSING if required or roles else None
    if roles and identity.user_type not in roles:
        return ROLE_MISSING
    return None


def identity_headers(identity: Identity) -> list[tuple[str, str]]:
    """Return the headers that tell an upstream who is asking.

    X-User-ID, -Type and -Email; for an identity from outside X-User-Issuer too, because ids of two
    issuers may be alike. A program with an API key is X-Consumer, and no user.
    """
    if identity.consumer:
        return [("X-Consumer", identity.consumer), ("X-User-Type", identity.user_type)]
    headers = [
        ("X-User-ID", str(identity.user_id)),
        ("X-User-Type", identity.user_type),
        ("X-User-Email", identity.email),
    ]
    if identity.issuer:
        headers.append(("X-User-Issuer", identity.issuer))
    return headers
