"""/api/orders: one's own orders. Those of others do not exist."""

from flask import Blueprint, Response, g, jsonify
from flask.typing import ResponseReturnValue

from gateline.api import service
from gateline.api.models import KeptAnswer, Order
from gateline.api.moments import now
from gateline.api.schemas import OrderBody, OrderOut, OrderQuery
from gateline.policy.reasons import CONFLICT
from gateline.shared.declarations import (
    IDEMPOTENCY_KEY,
    LOCATION,
    REPLAYED,
    answers,
    refuses,
    takes,
)
from gateline.shared.idempotency import Answer, create_once
from gateline.shared.middleware.auth import require_session
from gateline.shared.middleware.validation import validate
from gateline.shared.schemas.base import Page, json_dump

orders = Blueprint("orders", __name__, url_prefix="/api/orders")


@orders.post("")
@takes(IDEMPOTENCY_KEY)
@answers(201, OrderOut, headers=(LOCATION, REPLAYED))
@require_session
@validate(body=OrderBody)
def create_order(body: OrderBody) -> ResponseReturnValue:
    """Place an order; once for each `Idempotency-Key`."""

    def create() -> Answer:
        shown = _shown(service.place_order(g.identity, body))
        return Answer(201, shown, {"Location": f"/api/orders/{shown['id']}"})

    answer = create_once(KeptAnswer, g.identity.user_id, now(), create)
    return jsonify(answer.body), answer.status, dict(answer.headers)


@orders.get("")
@answers(200, Page[OrderOut])
@require_session
@validate(query=OrderQuery)
def list_orders(query: OrderQuery) -> ResponseReturnValue:
    """List one's own orders, the newest first."""
    found = service.list_orders(g.identity, query)
    return {"items": [_shown(row) for row in found.rows], "next_cursor": found.next_cursor}


@orders.get("/<order_id>")
@answers(200, OrderOut)
@require_session
@validate()
def read_order(order_id: str) -> ResponseReturnValue:
    """Show one of one's own orders."""
    return _shown(service.find_order(g.identity, order_id))


@orders.post("/<order_id>/cancel")
@answers(200, OrderOut)
@refuses(CONFLICT)
@require_session
@validate()
def cancel_order(order_id: str) -> ResponseReturnValue:
    """Cancel an order that is not on its way yet, and show it; 409 when it is."""
    return _shown(service.cancel_order(g.identity, order_id))


@orders.delete("/<order_id>")
@answers(204, description="It is cancelled.")
@refuses(CONFLICT)
@require_session
@validate()
def delete_order(order_id: str) -> ResponseReturnValue:
    """Cancel an order that is not on its way yet; it stays readable."""
    service.cancel_order(g.identity, order_id)
    return Response(status=204)


def _shown(order: Order) -> dict[str, object]:
    return json_dump(OrderOut.model_validate(order))
