"""What the shop shows: cameras, the event log, alerts and their number."""

from typing import Any, Final

import sqlalchemy as sa

from gateline.sample.retail.models import Alert, Camera, LoggedEvent
from gateline.sample.retail.schemas import (
    AlertCount,
    AlertOut,
    AlertQuery,
    CameraBody,
    CameraOut,
    CameraPage,
    CameraQuery,
    CountQuery,
    EventOut,
    LogQuery,
    SeverityCount,
)
from gateline.shared.database import db, transaction_context
from gateline.shared.paging import Order, page, read_time
from gateline.shared.schemas.base import Page

_CAMERAS: Final = Order("code", Camera.code, Camera.id)
_EVENTS: Final = Order(
    "latest", LoggedEvent.occurred_at, LoggedEvent.id, read_time, descending=True
)
_ALERTS: Final = Order("opened", Alert.opened_at, Alert.id, read_time, descending=True)


def list_cameras(query: CameraQuery) -> CameraPage:
    """Return a page of cameras by code."""
    named = _named({Camera.status: query.status, Camera.zone: query.zone})
    wanted = sa.select(Camera).where(*named)
    found = page(wanted, _CAMERAS, query)
    troubles = _open_alerts([camera.code for camera in found.rows])
    items = [_camera_out(camera, troubles.get(camera.code, 0)) for camera in found.rows]
    total = db.session.scalar(sa.select(sa.func.count()).select_from(Camera).where(*named)) or 0
    return CameraPage(items=items, next_cursor=found.next_cursor, total=total)


def put_camera(code: str, body: CameraBody) -> tuple[CameraOut, bool]:
    """Write a camera, new or anew; return it and whether it is new."""
    with transaction_context() as session:
        wanted = sa.select(Camera).where(Camera.code == code).with_for_update()
        camera = session.scalars(wanted).one_or_none()
        is_new = camera is None
        if camera is None:
            camera = Camera(code=code, status="online", status_at=None, last_seen_at=None)
            session.add(camera)
        for name, value in body:
            setattr(camera, name, value)
        session.flush()
        return _camera_out(camera, _open_alerts([code]).get(code, 0)), is_new


def list_events(query: LogQuery) -> Page[EventOut]:
    """Return a page of the event log, the latest first."""
    named = _named(
        {
            LoggedEvent.type: query.type,
            LoggedEvent.severity: query.severity,
            LoggedEvent.camera_code: query.camera_id,
            LoggedEvent.zone: query.zone,
        }
    )
    wanted = sa.select(LoggedEvent).where(*named, *_within(LoggedEvent.occurred_at, query))
    if query.q:
        wanted = wanted.where(LoggedEvent.message.icontains(query.q, autoescape=True))
    found = page(wanted, _EVENTS, query)
    return Page(items=[_event_out(row) for row in found.rows], next_cursor=found.next_cursor)


def list_alerts(query: AlertQuery) -> Page[AlertOut]:
    """Return a page of alerts, the latest first."""
    wanted = sa.select(Alert).where(*_of_alerts(query))
    if query.severity is not None:
        wanted = wanted.where(Alert.severity == query.severity)
    if query.status is not None:
        still_open = Alert.closed_at.is_(None)
        wanted = wanted.where(still_open if query.status == "open" else ~still_open)
    found = page(wanted, _ALERTS, query)
    return Page(items=[_alert_out(row) for row in found.rows], next_cursor=found.next_cursor)


def count_alerts(query: CountQuery) -> AlertCount:
    """Return how many alerts there are, by severity and state."""
    still_open = sa.func.count().filter(Alert.closed_at.is_(None))
    counting = sa.select(Alert.severity, still_open, sa.func.count()).where(*_of_alerts(query))
    found = {
        severity: SeverityCount(open=open_, total=total)
        for severity, open_, total in db.session.execute(counting.group_by(Alert.severity))
    }
    none = SeverityCount(open=0, total=0)
    open_ = sum(one.open for one in found.values())
    total = sum(one.total for one in found.values())
    return AlertCount(
        count=open_,
        open=open_,
        closed=total - open_,
        total=total,
        by_severity={
            "critical": found.get("critical", none),
            "warning": found.get("warning", none),
        },
    )


def _of_alerts(query: CountQuery) -> list[sa.ColumnElement[bool]]:
    named = _named({Alert.zone: query.zone, Alert.camera_code: query.camera_id})
    return named + _within(Alert.opened_at, query)


def _named(wanted: dict[Any, str | None]) -> list[sa.ColumnElement[bool]]:
    return [column == value for column, value in wanted.items() if value is not None]


def _within(column: Any, span: LogQuery | CountQuery) -> list[sa.ColumnElement[bool]]:
    since = [column >= span.since] if span.since else []
    return since + ([column < span.until] if span.until else [])


def _open_alerts(codes: list[str]) -> dict[str, int]:
    counting = (
        sa.select(Alert.camera_code, sa.func.count())
        .where(Alert.closed_at.is_(None), Alert.camera_code.in_(codes))
        .group_by(Alert.camera_code)
    )
    return {code: number for code, number in db.session.execute(counting) if code is not None}


def _camera_out(camera: Camera, open_alerts: int) -> CameraOut:
    shown = {name: getattr(camera, name) for name in CameraBody.model_fields}
    return CameraOut.model_validate(
        {
            **shown,
            "id": camera.code,
            "status": camera.status,
            "last_seen_at": camera.last_seen_at,
            "open_alerts": open_alerts,
        }
    )


def _event_out(row: LoggedEvent) -> EventOut:
    known = {"id": row.event_id, "camera_id": row.camera_code}
    names = EventOut.model_fields.keys() - known.keys()
    return EventOut.model_validate({**{name: getattr(row, name) for name in names}, **known})


def _alert_out(row: Alert) -> AlertOut:
    known = {"id": str(row.id), "camera_id": row.camera_code}
    names = AlertOut.model_fields.keys() - known.keys()
    return AlertOut.model_validate({**{name: getattr(row, name) for name in names}, **known})
