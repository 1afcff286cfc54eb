"""Sample data of the shop: its cameras and the last week, loaded once.

The events go through the same rules as reported ones, so the alerts are what the rules make of
them. The same seed and time always give the same rows.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from gateline.sample.retail.floor_plan import CAMERAS
from gateline.sample.retail.ingest import Receipt, record
from gateline.sample.retail.models import Camera, Customer
from gateline.sample.retail.rules import AnyEvent
from gateline.sample.retail.schemas import BATCH_LIMIT
from gateline.sample.retail.shop import day_of_events, event_at

CUSTOMER_EMAIL: Final = "customer@example.com"
CUSTOMER_NAME: Final = ("Marta", "Quintana")
DAYS: Final = 7
SENDER: Final = "sample"

_LOCK: Final = 0x73686F70  # "shop": two starting processes must not both fill it
# The last things that happened: something is wrong whenever somebody looks for the first time.
_TROUBLES: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    (
        "shelf",
        {
            "camera_id": "cam-09",
            "zone": "groceries",
            "data": {"shelf": "E1", "product": "Detergent", "fill_percent": 12.0},
        },
    ),
    (
        "temperature",
        {
            "zone": "chilled",
            "data": {"sensor": "meat-cabinet", "celsius": 10.4, "kind": "chiller"},
        },
    ),
    ("camera", {"camera_id": "cam-12", "zone": "outside", "data": {"state": "offline"}}),
)


def load(
    target: Session | str,
    accounts: Mapping[str, int],
    *,
    now: datetime | None = None,
    seed: int = 20240229,
) -> bool:
    """Fill the shop unless it has cameras, link the sample customer (e-mail → user id).

    `target` is a session, whose transaction is the caller's, or a database URL, for which it
    is committed. Tell whether rows were added. The tables must exist.
    """
    at = (now or datetime.now(UTC)).replace(microsecond=0)
    if isinstance(target, Session):
        return _load(target, accounts, at, seed)
    engine = sa.create_engine(target)
    try:
        with Session(engine) as session, session.begin():
            return _load(session, accounts, at, seed)
    finally:
        engine.dispose()


def sample_events(now: datetime, seed: int) -> Iterator[AnyEvent]:
    """Yield the events of the week that ends now."""
    first = now.date() - timedelta(days=DAYS)
    for number in range(DAYS + 1):
        for event in day_of_events(first + timedelta(days=number), seed=seed):
            if now - timedelta(days=DAYS) <= event.occurred_at < now - timedelta(minutes=5):
                yield event
    for minutes, (kind, what) in zip((4, 3, 2), _TROUBLES, strict=True):
        at = now - timedelta(minutes=minutes)
        yield event_at(at, f"sample-{seed}-{kind}", {"type": kind, **what})


def _load(session: Session, accounts: Mapping[str, int], now: datetime, seed: int) -> bool:
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    if CUSTOMER_EMAIL in accounts:
        _link_customer(session, accounts[CUSTOMER_EMAIL], now)
    if session.scalar(sa.select(sa.exists(sa.select(Camera.id)))):
        return False
    _insert_cameras(session, now)
    events = list(sample_events(now, seed))
    for start in range(0, len(events), BATCH_LIMIT):
        record(session, events[start : start + BATCH_LIMIT], Receipt(SENDER, now))
    return True


def _link_customer(session: Session, user_id: int, now: datetime) -> None:
    first, last = CUSTOMER_NAME
    statement = insert(Customer).values(
        user_id=user_id,
        email=CUSTOMER_EMAIL,
        first_name=first,
        last_name=last,
        newsletter=True,
        created_at=now,
    )
    session.execute(statement.on_conflict_do_nothing(index_elements=["user_id"]))


def _insert_cameras(session: Session, now: datetime) -> None:
    session.add_all(
        Camera(
            code=place.code,
            name=place.name,
            zone=place.zone,
            resolution=place.resolution,
            installed_on=date(now.year - 1, 3, 1 + number),
            status="online",
            status_at=None,
            last_seen_at=now - timedelta(minutes=number + 1),
        )
        for number, place in enumerate(CAMERAS)
    )
    session.flush()
