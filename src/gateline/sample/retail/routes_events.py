"""The edge processor: cameras, the event log and alerts for everybody; ingest for services."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import ParamSpec

from flask import Blueprint, g
from flask.typing import ResponseReturnValue

from gateline.policy.limits import Limit
from gateline.sample.retail import event_log, ingest
from gateline.sample.retail.schemas import (
    AlertCount,
    AlertOut,
    AlertQuery,
    Batch,
    CameraBody,
    CameraOut,
    CameraPage,
    CameraQuery,
    CountQuery,
    EventOut,
    Ingested,
    LogQuery,
)
from gateline.shared.app import parts
from gateline.shared.database import transaction_context
from gateline.shared.declarations import answers
from gateline.shared.middleware.rate_limiter import exempt, service_key, spend
from gateline.shared.middleware.validation import BULK_BYTES, validate
from gateline.shared.schemas.base import Page, json_dump
from gateline.shared.service_keys import require_service_key

P = ParamSpec("P")

blueprint = Blueprint("events", __name__)


def _for_services(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Let services in, within the limit that each has; wrong keys are limited by address."""
    keyed = require_service_key(view)

    @wraps(keyed)
    def limited(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        spend(Limit.parse(parts().settings.service_rate_limit), f"ingest:{service_key()}")
        return keyed(*args, **kwargs)

    return exempt(limited)


@blueprint.get("/cameras")
@answers(200, CameraPage, "A page of cameras.")
@validate(query=CameraQuery)
def list_cameras(query: CameraQuery) -> ResponseReturnValue:
    """List the cameras by code, with how they were last known."""
    return json_dump(event_log.list_cameras(query))


@blueprint.put("/cameras/<code:camera_id>")
@answers(200, CameraOut, "It was changed.")
@answers(201, CameraOut, "It is new.")
@_for_services
@validate(body=CameraBody)
def put_camera(camera_id: str, body: CameraBody) -> ResponseReturnValue:
    """Write a camera, new or anew."""
    camera, is_new = event_log.put_camera(camera_id, body)
    return json_dump(camera), 201 if is_new else 200


@blueprint.get("/logs")
@answers(200, Page[EventOut], "A page of events.")
@validate(query=LogQuery)
def list_events(query: LogQuery) -> ResponseReturnValue:
    """List the events, the latest first."""
    return json_dump(event_log.list_events(query))


@blueprint.get("/alerts")
@answers(200, Page[AlertOut], "A page of alerts.")
@validate(query=AlertQuery)
def list_alerts(query: AlertQuery) -> ResponseReturnValue:
    """List the alerts, the latest first."""
    return json_dump(event_log.list_alerts(query))


@blueprint.get("/alerts/count")
@answers(200, AlertCount, "How many there are.")
@validate(query=CountQuery)
def count_alerts(query: CountQuery) -> ResponseReturnValue:
    """Count the alerts by severity, open and in total."""
    return json_dump(event_log.count_alerts(query))


@blueprint.post("/events")
@answers(200, Ingested, "What became of them.")
@_for_services
@validate(body=Batch, max_bytes=BULK_BYTES)
def take_events(body: Batch) -> ResponseReturnValue:
    """Take up to 1000 events; those whose id came before are skipped."""
    receipt = ingest.Receipt(g.service_name, datetime.fromtimestamp(parts().clock(), UTC))
    with transaction_context() as session:
        outcome = ingest.record(session, body.events, receipt)
    ingest.tell(outcome, receipt.sender)
    return json_dump(outcome)
