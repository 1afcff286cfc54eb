"""A small clinic with a cast whose relations every rule can be told by, and callers for each.

North employs Ana and Ben, South employs Eve; Pat is in Ana's care, Quin in Ben's, Rob in Eve's.
Each person is known by its first name, to the tests and to the clinic alike.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from gateline.sample.clinic import MIGRATIONS, create_app
from gateline.sample.clinic.models import (
    Admin,
    Appointment,
    Base,
    CareLink,
    Doctor,
    Institution,
    Patient,
    RecordEntry,
)
from gateline.shared.app import Parts
from gateline.shared.config import Settings
from gateline.shared.database import db
from gateline.shared.sessions import Session as StoredSession

NOON = datetime(2025, 3, 12, 12, tzinfo=UTC)
ACCOUNTS = {
    "pat": ("patient", 11),
    "quin": ("patient", 12),
    "ana": ("doctor", 21),
    "ben": ("doctor", 22),
    "eve": ("doctor", 23),
    "north": ("institution", 31),
    "south": ("institution", 32),
    "root": ("admin", 41),
    "deputy": ("admin", 42),
}


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: float = NOON.timestamp()

    def __call__(self) -> float:
        """Tell the time in seconds since the epoch."""
        return self.now


@dataclass
class Caller:
    """Somebody who calls the service with a bearer token of its own."""

    app: Flask
    headers: dict[str, str] = field(default_factory=dict)

    def __call__(self, method: str, path: str, **options: Any) -> TestResponse:
        """Send a request; `headers` are added to the caller's."""
        headers = {**self.headers, **options.pop("headers", {})}
        return self.app.test_client().open(path, method=method, headers=headers, **options)


@dataclass
class Clinic:
    """The service under test with the ids of its cast."""

    app: Flask
    engine: sa.Engine
    clock: Clock
    ids: dict[str, int]

    def login(self, user_type: str, user_id: int, name: str = "New Comer") -> Caller:
        """Return a caller with a living session for any account."""
        parts: Parts = self.app.extensions["gateline"]
        email, sid = f"account{user_id}@example.com", f"sid{user_id}"
        token, claims = parts.tokens.issue("access", user_id, email, user_type, sid, 1800)
        session = StoredSession(
            user_id=user_id,
            email=email,
            user_type=user_type,
            session_id=sid,
            name=name,
            issued_at=claims.iat,
            expires_at=claims.exp,
            absolute_expires_at=claims.exp + 3600,
        )
        assert parts.sessions.put(token, session)
        return Caller(self.app, {"Authorization": f"Bearer {token}"})

    def as_(self, name: str) -> Caller:
        """Return a caller for one of the cast."""
        return self.login(*ACCOUNTS[name])

    def execute(self, statement: Any) -> Any:
        """Run a statement beside the service."""
        with self.engine.begin() as connection:
            result = connection.execute(statement)
            return result.all() if result.returns_rows else None

    @contextmanager
    def statements(self) -> Iterator[list[str]]:
        """Collect the statements that the service sends."""
        sent: list[str] = []

        def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            sent.append(statement)

        with self.app.app_context():
            engine = db.engine
        sa.event.listen(engine, "before_cursor_execute", note)
        try:
            yield sent
        finally:
            sa.event.remove(engine, "before_cursor_execute", note)


@pytest.fixture(scope="session")
def clinic_engine(database_url: str) -> Iterator[sa.Engine]:
    """Give an engine on a database with the clinic's tables."""
    MIGRATIONS.upgrade(database_url)
    engine = sa.create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def make_clinic_app(
    clinic_engine: sa.Engine,
    database_url: str,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Flask]]:
    """Give a builder of apps that are all closed at the end."""
    environ = {
        "FLASK_ENV": "testing",
        "SECRET_KEY": "k" * 40,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "RATE_LIMIT_DEFAULT": "1000000/minute",
    }
    folder: Path = tmp_path_factory.mktemp("clinic")
    settings = Settings.load(environ, folder=folder)
    apps: list[Flask] = []

    def make(**options: Any) -> Flask:
        apps.append(create_app(settings, **options))
        return apps[-1]

    yield make
    for app in apps:
        with app.app_context():
            db.engine.dispose()
        app.extensions["gateline"].kv.close()


@pytest.fixture(scope="session")
def clinic_clock() -> Clock:
    """Give the clock of the service."""
    return Clock()


@pytest.fixture(scope="session")
def clinic_app(make_clinic_app: Callable[..., Flask], clinic_clock: Clock) -> Flask:
    """Build the service once."""
    return make_clinic_app(clock=clinic_clock)


@pytest.fixture
def empty_clinic(clinic_app: Flask, clinic_engine: sa.Engine, clinic_clock: Clock) -> Clinic:
    """Give the service with empty tables and the clock at noon."""
    clinic_clock.now = NOON.timestamp()
    with clinic_engine.begin() as connection:
        # A few rows are deleted in a tenth of the time that TRUNCATE takes for a dozen tables.
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(sa.delete(table))
    return Clinic(clinic_app, clinic_engine, clinic_clock, {})


@pytest.fixture
def clinic(empty_clinic: Clinic) -> Clinic:
    """Give the service with its cast."""
    with Session(empty_clinic.engine) as session, session.begin():
        empty_clinic.ids |= _cast(session)
    return empty_clinic


def _cast(session: Session) -> dict[str, int]:
    places = {
        "north": Institution(name="North", user_id=31, kind="hospital", city="Valle Alto"),
        "south": Institution(name="South", user_id=32, city="Port Ellery"),
    }
    session.add_all(places.values())
    session.flush()
    north, south = places["north"].id, places["south"].id
    doctors = {
        "ana": Doctor(name="Ana", user_id=21, institution_id=north, specialty="Cardiology"),
        "ben": Doctor(name="Ben", user_id=22, institution_id=north, specialty="Pediatrics"),
        "eve": Doctor(name="Eve", user_id=23, institution_id=south, specialty="Cardiology"),
    }
    patients = {
        "pat": Patient(name="Pat", user_id=11, institution_id=north, email="pat@example.com"),
        "quin": Patient(name="Quin", user_id=12, institution_id=north, gender="female"),
        "rob": Patient(name="Rob", institution_id=south, status="discharged"),
    }
    admins = {
        "root": Admin(name="Root", user_id=41, department="Operations"),
        "deputy": Admin(name="Deputy", user_id=42),
    }
    people: dict[str, Any] = {**doctors, **patients, **admins}
    session.add_all(people.values())
    session.flush()
    ids = {name: row.id for name, row in (places | people).items()}
    _care(session, ids)
    return ids


def _care(session: Session, ids: dict[str, int]) -> None:
    since = date(2025, 1, 2)
    for patient, doctor in (("pat", "ana"), ("quin", "ben"), ("rob", "eve")):
        session.add(CareLink(patient_id=ids[patient], doctor_id=ids[doctor], since=since))
    for hours in (-48, 2, 26):
        session.add(
            Appointment(
                patient_id=ids["pat"],
                doctor_id=ids["ana"],
                starts_at=NOON + timedelta(hours=hours),
                reason="Check-up",
                status="completed" if hours < 0 else "scheduled",
            )
        )
    for days, kind in ((9, "visit"), (8, "vitals"), (7, "medication"), (6, "allergy")):
        session.add(
            RecordEntry(
                patient_id=ids["pat"],
                doctor_id=ids["ana"],
                kind=kind,
                title=f"A {kind}",
                details={"dose": "1", "ends_on": "2030-01-01"} if kind == "medication" else {},
                recorded_at=NOON - timedelta(days=days),
            )
        )
