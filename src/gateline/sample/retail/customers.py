"""Registering customers: an account at the auth service and a row of ours, or neither.

The account comes first, so a row never stands without one. An account whose row is missing
(the answer was lost, or we went away in between) gets it when the same person registers again:
who knows the account's password is its owner.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from flask import Response, request
from sqlalchemy.dialects.postgresql import insert

from gateline.policy.reasons import LIMIT_SPENT
from gateline.sample.retail.models import Customer
from gateline.sample.retail.schemas import CustomerOut, Registration
from gateline.shared.database import db, transaction_context
from gateline.shared.errors import ApiError, Conflict, Unavailable, ValidationFailed
from gateline.shared.proxy_service import proxy_service

_AUTH: Final = "auth"
_SECONDS: Final = 5.0
_TAKEN: Final = "There is an account with this e-mail address already."


@dataclass(frozen=True, slots=True)
class _Owner:
    """An account that we know to be the registering person's."""

    user_id: int


def register(wanted: Registration, now: datetime) -> CustomerOut:
    """Make a customer.

    Raises Conflict when the e-mail has an account, ValidationFailed for what auth refuses, and
    Unavailable while auth or the database is away.
    """
    _require_database()
    owner = _create_account(wanted) or _prove_owner(wanted)
    if owner is None:
        raise _conflict()
    return _insert(owner, wanted, now)


def _require_database() -> None:
    """Raise before an account is made that could get no row."""
    with transaction_context():
        db.session.execute(sa.select(1))


def _create_account(wanted: Registration) -> _Owner | None:
    """Make the account; None when there is one already."""
    first, last = wanted.names
    answer = _post(
        "/api/auth/register",
        {
            "email": wanted.email,
            "password": wanted.password,
            "user_type": "customer",
            "first_name": first,
            "last_name": last,
            "phone": wanted.phone,
        },
    )
    if answer.status_code == 409:
        return None
    return _owner(answer, 201)


def _prove_owner(wanted: Registration) -> _Owner | None:
    """Log in to the account that is there, and out again; None when it is somebody else's."""
    credentials = {"email": wanted.email, "password": wanted.password, "user_type": "customer"}
    answer = _post("/api/auth/login", credentials)
    if answer.status_code in {401, 403}:
        return None
    owner = _owner(answer, 200)
    token = (answer.get_json(silent=True) or {}).get("access_token")
    with suppress(ApiError):  # a session that stays open ends by itself
        _post("/api/auth/logout", None, {"Authorization": f"Bearer {token}"})
    return owner


def _owner(answer: Response, status: int) -> _Owner:
    """Read whose account it is; raise what auth's refusal means to our caller."""
    body = answer.get_json(silent=True)
    body = body if isinstance(body, dict) else {}
    if answer.status_code == 400:
        fields = (body.get("details") or {}).get("fields")
        raise ValidationFailed(fields=fields if isinstance(fields, dict) else None)
    if answer.status_code == 429:
        waits = {name: answer.headers[name] for name in ("Retry-After",) if name in answer.headers}
        raise ApiError(reason=LIMIT_SPENT, headers=waits)
    try:
        if answer.status_code == status:
            return _Owner(int(body["user"]["id"]))
    except (KeyError, TypeError, ValueError):
        pass
    raise Unavailable(details={"service": _AUTH})


def _post(
    path: str, body: dict[str, Any] | None, headers: dict[str, str] | None = None
) -> Response:
    """Ask auth in the name of the client's address, so that its limits count for the client."""
    told = {"X-Forwarded-For": request.remote_addr or "", **(headers or {})}
    try:
        return proxy_service.proxy_post(_AUTH, path, body, headers=told, timeout=_SECONDS)
    except ApiError as error:
        cause = {"service": _AUTH, "cause": error.reason.code}
        raise Unavailable(details=cause) from error


def _insert(owner: _Owner, wanted: Registration, now: datetime) -> CustomerOut:
    first, last = wanted.names
    statement = (
        insert(Customer)
        .values(
            user_id=owner.user_id,
            email=wanted.email,
            first_name=first,
            last_name=last,
            phone=wanted.phone,
            newsletter=wanted.newsletter,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["user_id"])
        .returning(Customer)
    )
    with transaction_context() as session:
        made = session.scalars(statement).one_or_none()
    if made is None:
        raise _conflict()
    return _customer_out(made)


def _customer_out(row: Customer) -> CustomerOut:
    return CustomerOut(
        id=str(row.id),
        user_id=str(row.user_id),
        email=row.email,
        name=f"{row.first_name} {row.last_name}".strip(),
        first_name=row.first_name,
        last_name=row.last_name,
        phone=row.phone,
        newsletter=row.newsletter,
        created_at=row.created_at,
    )


def _conflict() -> Conflict:
    return Conflict(_TAKEN, fields={"email": [_TAKEN]})
