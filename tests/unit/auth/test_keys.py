"""Service keys kept in the database."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from gateline.auth.keys import create_service_key, list_service_keys, revoke_service_key
from gateline.auth.models import AuditEvent, ServiceKey
from gateline.shared.database import db
from gateline.shared.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from tests.unit.auth.conftest import LoggedIn, MovableClock


def test_key_works_until_revoked(call: Callable[..., Any], log_in: Callable[..., LoggedIn]) -> None:
    """A key is valid from the moment it is made to the moment it is revoked; again is no error."""
    body = {"token": log_in().access_token}
    row, key = create_service_key("clinic")
    assert call("validate-token", body, key).status_code == 200
    for _ in range(2):
        assert revoke_service_key(row.id).revoked_at is not None
    assert call("validate-token", body, key).status_code == 403


def test_keys_of_one_name_overlap(
    call: Callable[..., Any], log_in: Callable[..., LoggedIn]
) -> None:
    """The old key works beside the new one until it is revoked: rotation without a gap."""
    body = {"token": log_in().access_token}
    name = f"clinic-{uuid.uuid4().hex[:8]}"
    old, old_key = create_service_key(name)
    _, new_key = create_service_key(name)
    assert [call("validate-token", body, key).status_code for key in (old_key, new_key)] == [
        200
    ] * 2
    revoke_service_key(old.id)
    statuses = [call("validate-token", body, key).status_code for key in (old_key, new_key)]
    assert statuses == [403, 200]


def test_key_expires(
    call: Callable[..., Any], log_in: Callable[..., LoggedIn], clock: MovableClock
) -> None:
    """A key with an end is refused after it."""
    _, key = create_service_key("clinic", 1)
    clock.advance(86400 - 5)
    body = {"token": log_in().access_token}
    assert call("validate-token", body, key).status_code == 200
    clock.advance(6)
    assert call("validate-token", body, key).status_code == 403


def test_only_the_hash_is_kept(app: Flask) -> None:
    """Neither the table nor the audit trail holds the key."""
    row, key = create_service_key("clinic")
    assert len(key) >= 40
    stored = db.session.get_one(ServiceKey, row.id)
    event = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).one()
    kept = f"{stored.key_hash}{stored.hint}{stored.name}{event.details}"
    assert key not in kept
    assert key.startswith(stored.hint)
    assert event.event == "service_key_created"


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a" * 64, "a:b", "é", "a\n"])
def test_names_are_plain(app: Flask, name: str) -> None:
    """A name that would not fit into SERVICE_KEYS, a log or a metric is refused."""
    with pytest.raises(ValueError, match="no service name"):
        create_service_key(name)


def test_unknown_key_cannot_be_revoked(app: Flask) -> None:
    """An unknown number is not found."""
    with pytest.raises(NotFound):
        revoke_service_key(2**40)


def test_list_shows_all(app: Flask) -> None:
    """Every key is listed, the revoked too."""
    row, _ = create_service_key("clinic")
    revoke_service_key(row.id)
    assert row.id in {listed.id for listed in list_service_keys()}
