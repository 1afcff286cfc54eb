"""One's own orders."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from gateline.api.models import KeptAnswer, Order
from gateline.shared.idempotency import LIFE

PATH = "/api/orders"
KEY = {"Idempotency-Key": "a3f1-77"}

Body = Callable[..., dict[str, Any]]


def orders(api: Any) -> int:
    """Count all orders."""
    [(number,)] = api.execute(sa.select(sa.func.count()).select_from(Order))
    return int(number)


def test_an_order_is_created(api: Any, order_body: Body) -> None:
    """201 with its place; what was sent comes back, with prefixed ids and its state."""
    caller = api.log_in(456)
    answer = caller("POST", PATH, json=order_body())
    assert answer.status_code == 201
    order = answer.json
    assert answer.headers["Location"] == f"{PATH}/{order['id']}"
    assert order["id"].startswith("order_")
    assert {**order, "id": ""} == {
        **order_body(),
        "id": "",
        "user_id": "user_456",
        "status": "pending",
        "created_at": "2026-02-10T12:00:00Z",
        "updated_at": "2026-02-10T12:00:00Z",
        "cancelled_at": None,
    }
    assert caller("GET", answer.headers["Location"]).json == order


def test_orders_of_others_do_not_exist(api: Any, order_body: Body) -> None:
    """404 for reading and cancelling alike, and no list shows them."""
    place = api.log_in()("POST", PATH, json=order_body()).headers["Location"]
    other = api.log_in()
    for method, path in (("GET", place), ("DELETE", place), ("POST", f"{place}/cancel")):
        answer = other(method, path)
        assert (answer.status_code, answer.json["details"]["reason"]) == (404, "not_found")
    assert other("GET", PATH).json == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    "name", ["order_0", "order_", "x", "order_-1", "order_99999999999999999999", "order_१"]
)
def test_no_order_has_that_id(api: Any, name: str) -> None:
    """Whatever an address holds, it is 404, never 500."""
    assert api.log_in()("GET", f"{PATH}/{name}").status_code == 404


def test_pages_hold_every_order_once(api: Any, order_body: Body) -> None:
    """The newest first, also when many were placed in the same moment."""
    caller = api.log_in()
    placed = [caller("POST", PATH, json=order_body()).json["id"] for _ in range(5)]
    api.log_in()("POST", PATH, json=order_body())
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = caller("GET", f"{PATH}?limit=2" + (f"&cursor={cursor}" if cursor else "")).json
        seen += [order["id"] for order in page["items"]]
        cursor = page["next_cursor"]
    assert seen == placed[::-1]


def test_a_list_may_be_of_one_state(api: Any, order_body: Body) -> None:
    """The filter takes the documented states and no other."""
    caller = api.log_in()
    places = [caller("POST", PATH, json=order_body()).headers["Location"] for _ in range(3)]
    caller("DELETE", places[1])
    found = caller("GET", f"{PATH}?status=cancelled").json["items"]
    assert [f"{PATH}/{order['id']}" for order in found] == [places[1]]
    assert len(caller("GET", f"{PATH}/?status=pending").json["items"]) == 2
    refused = caller("GET", f"{PATH}?status=lost")
    assert list(refused.json["details"]["fields"]) == ["status"]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=x", "color=red"])
def test_a_wrong_query_is_refused(api: Any, query: str) -> None:
    """400 names the parameter."""
    answer = api.log_in()("GET", f"{PATH}?{query}")
    assert answer.status_code == 400
    assert list(answer.json["details"]["fields"]) == [query.partition("=")[0]]


def test_cancelling_happens_once(api: Any, order_body: Body) -> None:
    """Cancelling again, either way, changes nothing; the order stays readable."""
    caller = api.log_in()
    place = caller("POST", PATH, json=order_body()).headers["Location"]
    api.clock.now += 60
    first = caller("POST", f"{place}/cancel")
    assert (first.status_code, first.json["status"]) == (200, "cancelled")
    assert first.json["cancelled_at"] == "2026-02-10T12:01:00Z"
    api.clock.now += 60
    assert caller("POST", f"{place}/cancel").json == first.json
    gone = caller("DELETE", place)
    assert (gone.status_code, gone.data) == (204, b"")
    assert caller("GET", place).json == first.json


@pytest.mark.parametrize("status", ["shipped", "delivered"])
def test_what_is_on_its_way_cannot_be_cancelled(api: Any, order_body: Body, status: str) -> None:
    """409 says why."""
    caller = api.log_in()
    place = caller("POST", PATH, json=order_body()).headers["Location"]
    api.execute(sa.update(Order).values(status=status))
    for method, path in (("POST", f"{place}/cancel"), ("DELETE", place)):
        answer = caller(method, path)
        assert (answer.status_code, answer.json["details"]["reason"]) == (409, "conflict")
        assert status in answer.json["message"]


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ({"street": ""}, "shipping_address.street"),
        ({"city": "x" * 201}, "shipping_address.city"),
        ({"city": "a\tb"}, "shipping_address.city"),
        ({"state": "ZZ"}, "shipping_address.state"),
        ({"state": "California"}, "shipping_address.state"),
        ({"zip": "9410"}, "shipping_address.zip"),
        ({"zip": 94102}, "shipping_address.zip"),
        ({"zip": "94102-12"}, "shipping_address.zip"),
        ({"country": "US"}, "shipping_address.country"),
    ],
)
def test_wrong_addresses_are_named(
    api: Any, order_body: Body, address: dict[str, Any], field: str
) -> None:
    """An address is one in the United States, whole and within bounds."""
    answer = api.log_in()("POST", PATH, json=order_body(**address))
    assert answer.status_code == 400
    assert list(answer.json["details"]["fields"]) == [field]
    assert orders(api) == 0


@pytest.mark.parametrize(
    ("items", "field"),
    [
        ([], "items"),
        ("abc", "items"),
        ([{"product_id": "a", "quantity": 1}] * 101, "items"),
        ([{"product_id": "a", "quantity": 0}], "items.0.quantity"),
        ([{"product_id": "a", "quantity": 10_001}], "items.0.quantity"),
        ([{"product_id": "a", "quantity": 1.5}], "items.0.quantity"),
        ([{"product_id": "a", "quantity": True}], "items.0.quantity"),
        ([{"product_id": "", "quantity": 1}], "items.0.product_id"),
        ([{"product_id": "a b", "quantity": 1}], "items.0.product_id"),
        ([{"product_id": "a"}], "items.0.quantity"),
        ([{"product_id": "a", "quantity": 1, "price": 0}], "items.0.price"),
    ],
)
def test_wrong_items_are_named(api: Any, order_body: Body, items: Any, field: str) -> None:
    """An order has 1 to 100 items, each a product and how many."""
    answer = api.log_in()("POST", PATH, json={**order_body(), "items": items})
    assert answer.status_code == 400
    assert list(answer.json["details"]["fields"]) == [field]


def test_a_long_zip_code_is_one(api: Any, order_body: Body) -> None:
    """ZIP+4 is taken as it is."""
    answer = api.log_in()("POST", PATH, json=order_body(zip="94102-1234"))
    assert answer.json["shipping_address"]["zip"] == "94102-1234"


def test_the_same_key_orders_once(api: Any, order_body: Body) -> None:
    """A repeat gets the first answer and says so; another body is 409; keys are one's own."""
    caller = api.log_in()
    first = caller("POST", PATH, json=order_body(), headers=KEY)
    again = caller("POST", PATH, json=order_body(), headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert (first.json, first.headers["Location"]) == (again.json, again.headers["Location"])
    assert again.headers["Idempotency-Replayed"] == "true"
    assert caller("POST", PATH, json=order_body(city="Oakland"), headers=KEY).status_code == 409
    assert api.log_in()("POST", PATH, json=order_body(), headers=KEY).json["id"] != first.json["id"]
    assert orders(api) == 2


def test_simultaneous_repeats_order_once(api: Any, order_body: Body) -> None:
    """The later requests wait for the first and get its answer."""
    caller = api.log_in()
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(lambda _: caller("POST", PATH, json=order_body(), headers=KEY), range(6))
        )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert orders(api) == 1


def test_a_refused_order_leaves_the_key_free(api: Any, order_body: Body) -> None:
    """The corrected request may use it."""
    caller = api.log_in()
    assert caller("POST", PATH, json=order_body(zip="x"), headers=KEY).status_code == 400
    assert caller("POST", PATH, json=order_body(), headers=KEY).status_code == 201


def test_a_key_lives_for_a_day(api: Any, order_body: Body) -> None:
    """Then it orders again, and the old answer is gone."""
    api.log_in(456)("POST", PATH, json=order_body(), headers=KEY)
    api.clock.now += LIFE.total_seconds() + 1
    assert api.log_in(456)("POST", PATH, json=order_body(), headers=KEY).status_code == 201
    assert orders(api) == 2
    assert len(api.execute(sa.select(KeptAnswer.key))) == 1
