"""Taking events in: each once, whole batches only, alerts and cameras kept in step."""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from gateline.sample.retail import alerting
from gateline.sample.retail.models import Camera, LoggedEvent
from gateline.sample.retail.rules import AnyEvent, Finding, judge
from gateline.sample.retail.schemas import CameraReported, Ingested
from gateline.shared.errors import ValidationFailed
from gateline.shared.schemas.base import json_dump

FUTURE: Final = timedelta(minutes=5)
"""How far a sender's clock may be ahead."""

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Receipt:
    """Who sent a batch, and when it came."""

    sender: str
    at: datetime


def record(session: Session, events: Sequence[AnyEvent], receipt: Receipt) -> Ingested:
    """Log the events that are new, and do what follows from them, in the caller's transaction.

    Raises ValidationFailed, naming each event, for unknown cameras and times ahead of ours: then
    nothing of the batch is taken. Of several events with one id the first counts.
    """
    _refuse_future(events, receipt.at)
    cameras = _hold_cameras(session, events)
    judged = {event.id: (event, judge(event)) for event in reversed(events)}
    new = _insert(session, judged.values(), receipt)
    fresh = [judged[event_id] for event_id in new]
    _see(cameras, [event for event, _ in fresh])
    changes = alerting.follow(session, fresh)
    return Ingested(
        accepted=len(new),
        duplicates=len(events) - len(new),
        alerts_opened=len(changes.opened),
        alerts_closed=len(changes.closed),
    )


def tell(outcome: Ingested, sender: str) -> None:
    """Write into the log what a batch changed, once it is committed."""
    if outcome.alerts_opened or outcome.alerts_closed:
        level = logging.WARNING if outcome.alerts_opened else logging.INFO
        _LOG.log(
            *(level, "Alerts: %d opened, %d closed by events of %s"),
            *(outcome.alerts_opened, outcome.alerts_closed, sender),
        )


def _refuse_future(events: Sequence[AnyEvent], now: datetime) -> None:
    fields = {
        f"events.{position}.occurred_at": ["must not lie in the future"]
        for position, event in enumerate(events)
        if event.occurred_at > now + FUTURE
    }
    if fields:
        raise ValidationFailed(fields=fields)


def _hold_cameras(session: Session, events: Sequence[AnyEvent]) -> dict[str, Camera]:
    """Lock the cameras that the events speak of; refuse a batch that speaks of unknown ones."""
    codes = {event.camera_id for event in events if event.camera_id is not None}
    wanted = (
        sa.select(Camera)
        .where(Camera.code.in_(codes))
        .order_by(Camera.code)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    found = {camera.code: camera for camera in session.scalars(wanted)} if codes else {}
    fields = {
        f"events.{position}.camera_id": ["is not a known camera"]
        for position, event in enumerate(events)
        if event.camera_id is not None and event.camera_id not in found
    }
    if fields:
        raise ValidationFailed(fields=fields)
    return found


def _insert(
    session: Session, judged: Collection[tuple[AnyEvent, Finding]], receipt: Receipt
) -> list[str]:
    """Insert what is not there yet; return the ids of these."""
    # Always in one order, so that two batches with common events cannot wait for each other.
    rows = sorted((_row(*pair, receipt) for pair in judged), key=lambda row: str(row["event_id"]))
    # The table, not the class: the ORM would send a statement for each run of rows that have a
    # camera or have none, the table sends one for all.
    table = cast("sa.Table", LoggedEvent.__table__)
    statement = insert(table).on_conflict_do_nothing(index_elements=["event_id"])
    return list(session.scalars(statement.returning(table.c.event_id), rows))


def _row(event: AnyEvent, finding: Finding, receipt: Receipt) -> dict[str, Any]:
    return {
        "event_id": event.id,
        "type": event.type,
        "severity": finding.severity,
        "message": finding.message,
        "camera_code": event.camera_id,
        "zone": event.zone,
        "data": {key: value for key, value in json_dump(event.data).items() if value is not None},
        "occurred_at": event.occurred_at,
        "received_at": receipt.at,
        "received_from": receipt.sender,
    }


def _see(cameras: dict[str, Camera], events: Iterable[AnyEvent]) -> None:
    """Note when each camera was last heard of, and the latest that it said of itself."""
    for event in events:
        if event.camera_id is None:
            continue
        camera, at = cameras[event.camera_id], event.occurred_at
        away = isinstance(event, CameraReported) and event.data.state == "offline"
        if not away:  # that it is away, somebody else has told
            camera.last_seen_at = max(camera.last_seen_at or at, at)
        if isinstance(event, CameraReported) and at >= (camera.status_at or at):
            camera.status, camera.status_at = event.data.state, at
