"""Accounts below HTTP: making them, the first administrator, holding a row."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from gateline.auth.models import User
from gateline.auth.service import create_account, ensure_first_admin, find_user, hold_user
from gateline.shared.app import parts
from gateline.shared.config import Settings
from gateline.shared.database import db, transaction_context
from gateline.shared.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from tests.unit.auth.conftest import Person


def admin_settings(name: str, password: str) -> Settings:
    """Return settings that name a first administrator."""
    return parts().settings.model_copy(update={"admin_username": name, "admin_password": password})


def test_first_admin_is_made_once(app: Flask) -> None:
    """The administrator of the settings is made once; a new password there resets nothing."""
    name = f"root{uuid.uuid4().hex[:12]}"
    first = ensure_first_admin(admin_settings(name, "first password"))
    assert first is not None
    assert (first.username, first.user_type, first.is_email_verified) == (name, "admin", True)
    stored = first.password_hash
    again = ensure_first_admin(admin_settings(name.upper(), "second password"))
    assert again is not None
    assert (again.id, again.password_hash) == (first.id, stored)


def test_first_admin_may_be_named_by_address(app: Flask) -> None:
    """A name with an @ is the e-mail address."""
    email = f"root-{uuid.uuid4().hex}@example.org"
    admin = ensure_first_admin(admin_settings(email, "first password"))
    assert admin is not None
    assert (admin.email, admin.username) == (email, None)


def test_no_first_admin_without_a_password(app: Flask) -> None:
    """Settings without password make nobody: there is no default password."""
    assert ensure_first_admin(admin_settings(f"r{uuid.uuid4().hex}", "")) is None


def test_account_needs_a_known_type(app: Flask) -> None:
    """A user type that the platform does not know is a programming error."""
    with pytest.raises(ValueError, match="no user type"):
        create_account("x@example.com", "a password", "god")


def test_refused_account_leaves_nothing(person: Callable[..., Person]) -> None:
    """When the address is taken, the transaction is as if it had never begun."""
    who = person()
    with pytest.raises(Conflict) as refused:
        create_account(who.email.upper(), "a password", "patient")
    assert refused.value.fields.keys() == {"email"}
    found = find_user(who.email)
    assert found is not None
    assert found.id == who.id


def test_the_database_itself_refuses_equal_addresses(person: Callable[..., Person]) -> None:
    """Two accounts whose addresses differ in capitals only cannot exist, however written."""
    who = person()
    other = person()
    with pytest.raises(Exception, match="uq_users_email"), transaction_context():
        db.session.get_one(User, other.id).email = who.email.upper()


def test_login_waits_for_a_change_of_the_account(
    app: Flask, client: Any, person: Callable[..., Person]
) -> None:
    """A login that races with a deactivation opens no session once that is committed."""
    who = person()
    body = {"email": who.email, "password": who.password}
    statuses: list[int] = []
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    racer = threading.Thread(
        target=lambda: statuses.append(client.post("/api/auth/login", json=body).status_code)
    )
    with transaction_context():
        user = hold_user(who.id)
        assert user is not None
        racer.start()
        while not db.session.scalar(waiting) and racer.is_alive():
            pass
        user.is_active = False
    racer.join()
    assert statuses == [403]
