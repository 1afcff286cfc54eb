"""Sample data of the clinic: deterministic, dated relative to a given day, loaded once.

`load` fills an empty clinic and links the sample accounts to rows of it; a second call only
links again. The same seed and day always give the same rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateline.sample.clinic.models import (
    Admin,
    Appointment,
    CareLink,
    Doctor,
    Institution,
    Patient,
    RecordEntry,
    SampleRow,
)
from gateline.sample.clinic.seed_rows import Plan, Row, plan

_LOCK: Final = 0x636C696E  # "clin": two starting processes must not both fill the clinic


@dataclass(frozen=True, slots=True)
class SampleAccount:
    """Who is behind a sample account, so that accounts and clinic show the same name."""

    user_type: str
    first_name: str
    last_name: str


SAMPLE_ACCOUNTS: Final[Mapping[str, SampleAccount]] = MappingProxyType(
    {
        "patient@example.com": SampleAccount("patient", "Lucía", "Herrera"),
        "doctor@example.com": SampleAccount("doctor", "Andrés", "Molina"),
        "institution@example.com": SampleAccount("institution", "Hospital", "San Rafael"),
        "admin@example.com": SampleAccount("admin", "Carmen", "Ortega"),
    }
)
Person = Patient | Doctor | Institution | Admin
_TABLE_OF: Final[Mapping[str, type[Person]]] = MappingProxyType(
    {"patient": Patient, "doctor": Doctor, "institution": Institution, "admin": Admin}
)


def load(
    target: Session | str,
    accounts: Mapping[str, int],
    *,
    today: date | None = None,
    seed: int = 20240229,
) -> bool:
    """Fill the clinic unless it was filled, link `accounts` (e-mail → user id) to its rows.

    `target` is a session, whose transaction is the caller's, or a database URL, for which it
    is committed. Tell whether rows were added. The tables must exist.
    """
    if isinstance(target, Session):
        return _load(target, accounts, today or datetime.now(UTC).date(), seed)
    engine = sa.create_engine(target)
    try:
        with Session(engine) as session, session.begin():
            return _load(session, accounts, today or datetime.now(UTC).date(), seed)
    finally:
        engine.dispose()


def _load(session: Session, accounts: Mapping[str, int], today: date, seed: int) -> bool:
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    linked = _sample_rows(session)
    added = not linked
    if added:
        _insert(session, plan(seed, today))
        linked = _sample_rows(session)
    for email, user_id in accounts.items():
        if email in linked:
            _link(session, _TABLE_OF[SAMPLE_ACCOUNTS[email].user_type], linked[email], user_id)
    return added


def _sample_rows(session: Session) -> dict[str, int]:
    return {row.email: row.row_id for row in session.scalars(sa.select(SampleRow))}


def _link(session: Session, table: type[Person], row_id: int, user_id: int) -> None:
    # An account that came before its sample data was given an empty profile: it gives way.
    session.execute(
        sa.update(table)
        .where(table.user_id == user_id, table.id != row_id)
        .values(user_id=None, deleted_at=sa.func.now())
    )
    session.execute(sa.update(table).where(table.id == row_id).values(user_id=user_id))


def _insert(session: Session, rows: Plan) -> None:
    """Insert a plan: it numbers its rows from zero, the database gives the real ids."""
    midnight = datetime.combine(rows.today, time(), UTC)
    born = {"created_at": midnight, "updated_at": midnight}
    institutions = _add(session, Institution, [{**born, **row} for row in rows.institutions])
    admins = _add(session, Admin, [{**born, **row} for row in rows.admins])
    places = {"institution_id": institutions}
    doctors = _add(session, Doctor, [{**born, **row} for row in _renumbered(rows.doctors, places)])
    patients = _add(session, Patient, _renumbered(rows.patients, places))
    people = {"patient_id": patients, "doctor_id": doctors}
    session.execute(sa.insert(CareLink), _renumbered(rows.care_links, people))
    session.execute(sa.insert(Appointment), _renumbered(rows.appointments, people))
    session.execute(sa.insert(RecordEntry), _renumbered(rows.record_entries, people))
    first = {"patient": patients, "doctor": doctors, "institution": institutions, "admin": admins}
    samples = [
        {"email": email, "row_id": first[account.user_type][0]}
        for email, account in SAMPLE_ACCOUNTS.items()
    ]
    session.execute(sa.insert(SampleRow), samples)


def _add(session: Session, table: type[Any], rows: list[Row]) -> list[int]:
    statement = sa.insert(table).returning(table.id, sort_by_parameter_order=True)
    return list(session.scalars(statement, rows))


def _renumbered(rows: list[Row], ids: Mapping[str, list[int]]) -> list[Row]:
    return [{**row, **{field: real[row[field]] for field, real in ids.items()}} for row in rows]
