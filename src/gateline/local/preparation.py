"""Bring the database to where this version wants it: schemas upgraded, sample data there.

Run as a child of `gateline up` (`python -m gateline.local.preparation`), so that the supervisor
stays small: it reads one JSON object from standard input and prints one with what it did.
"""

import gc
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from gateline.local.sample_accounts import CUSTOMER, SampleAccount, new_password
from gateline.local.schemas import all_migrations
from gateline.shared.config import Settings

_LOCK = 0x67617465  # "gate": two platforms on one outside database take turns


def main() -> None:
    """Do what standard input asks for."""
    request = json.load(sys.stdin)
    settings = Settings.load()
    with _connection(settings.database_url) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        for migrations in all_migrations(samples=request["samples"]).values():
            migrations.upgrade(settings.database_url)
        # The sample accounts bring an administrator.
        wanted = settings.admin_password or not request["passwords"]
        admin = make_first_admin(settings) if wanted else None
        made = load_sample_data(
            settings, request["passwords"], reset=request["reset"], samples=request["samples"]
        )
        write_mark(connection, request["mark"])
    json.dump({"made": made, "admin": asdict(admin) if admin else None}, sys.stdout)


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    """An administrator that was just made, with a password that is told this once."""

    name: str
    password: str

    def __str__(self) -> str:
        """Tell a person."""
        return (
            f"There was no administrator: made {self.name} with the password {self.password}\n"
            "It is shown this once: only its hash is kept. Log in at /admin and change it."
        )


def make_first_admin(settings: Settings) -> FirstAdmin | None:
    """Make the administrator that ADMIN_USERNAME and ADMIN_PASSWORD name, if there is none yet.

    Without ADMIN_PASSWORD a password is made up, but only while there is no administrator of any
    name; only then something is returned, to be shown to a person. Raises ConfigError.
    """
    from gateline import auth
    from gateline.auth import service

    with auth.create_app(settings).app_context():
        if settings.admin_password:
            service.ensure_first_admin(settings)
            return None
        password = new_password()
        made = service.make_up_first_admin(settings, password)
        return FirstAdmin(settings.admin_username, password) if made else None


def load_sample_data(
    settings: Settings, passwords: Mapping[str, str], *, reset: bool, samples: bool = True
) -> list[str]:
    """Make the sample accounts and, with `samples`, fill clinic and shop, once.

    Returns the accounts made. With `reset` those that exist get the given password. No passwords,
    no sample data.
    """
    from gateline import auth
    from gateline.sample.clinic import seed
    from gateline.sample.retail import seed as shop

    if not passwords:
        return []
    people = {
        email: SampleAccount(
            known.user_type,
            known.first_name,
            known.last_name,
            username="admin" if known.user_type == "admin" else None,
        )
        for email, known in seed.SAMPLE_ACCOUNTS.items()
    } | {"customer@example.com": CUSTOMER}
    with auth.create_app(settings).app_context():
        made, ids = _make_accounts(people, passwords, reset=reset)
    if samples:
        seed.load(settings.database_url, ids)
        shop.load(settings.database_url, ids)
    return made


def read_mark(url: str) -> str | None:
    """Return the mark that the last preparation left, None when there is none."""
    with _connection(url) as connection:
        # Asked first, so that a new database does not log an error.
        if connection.execute("SELECT to_regclass('gateline.prepared')").fetchone() == (None,):
            return None
        row = connection.execute("SELECT mark FROM gateline.prepared").fetchone()
    return str(row[0]) if row else None


def write_mark(connection: "psycopg.Connection[Any]", mark: str) -> None:
    """Leave the mark, in place of any earlier one."""
    connection.execute("CREATE SCHEMA IF NOT EXISTS gateline")
    connection.execute("CREATE TABLE IF NOT EXISTS gateline.prepared (mark text NOT NULL)")
    with connection.transaction():
        connection.execute("DELETE FROM gateline.prepared")
        connection.execute("INSERT INTO gateline.prepared VALUES (%s)", (mark,))


def _make_accounts(
    people: Mapping[str, SampleAccount], passwords: Mapping[str, str], *, reset: bool
) -> tuple[list[str], dict[str, int]]:
    from gateline.auth import service

    made, ids = [], {}
    for email, person in people.items():
        user = service.find_user(email)
        if user is None:
            user = service.create_account(
                email,
                passwords[email],
                person.user_type,
                person.first_name,
                person.last_name,
                username=person.username,
                verified=True,
            )
            made.append(email)
        elif reset:
            _set_password(user, passwords[email])
        ids[email] = user.id
    return made, ids


def _set_password(user: Any, password: str) -> None:
    from gateline.auth import service
    from gateline.shared.database import transaction_context

    hashed = service.passwords().hash(password)
    with transaction_context():
        held = service.hold_user(user.id)
        if held is not None:
            held.password_hash = hashed


def _connection(url: str) -> "psycopg.Connection[Any]":
    plain = url.replace("postgresql+psycopg://", "postgresql://", 1)
    return psycopg.connect(plain, autocommit=True, connect_timeout=10)


if __name__ == "__main__":
    gc.disable()  # it ends before its garbage would be much
    main()
