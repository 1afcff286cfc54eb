"""`@validate`: what reaches a view, and what is refused before."""

import io
import json
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from gateline.shared.errors import MalformedJson
from gateline.shared.middleware.error_handler import init_error_handlers
from gateline.shared.middleware.validation import (
    BULK_BYTES,
    MAX_BYTES,
    MAX_DEPTH,
    Contract,
    parse_json,
    read_body,
    validate,
)
from gateline.shared.schemas.base import PageQuery, Schema, UserId


class Line(Schema):
    """A line of an order."""

    sku: str
    count: int


class Order(Schema):
    """A body with a list and a nested object."""

    user_id: UserId
    lines: list[Line]
    paid: bool = False
    note: str = ""


class Search(PageQuery):
    """A query with a list."""

    tag: tuple[str, ...] = ()


@pytest.fixture
def client() -> FlaskClient:
    """Give a client of an app with one view for bodies and one for queries."""
    app = Flask("x")
    app.config["MAX_CONTENT_LENGTH"] = 4096
    init_error_handlers(app)

    @app.post("/orders")
    @validate(body=Order, error="Failed to order")
    def order(body: Order) -> dict[str, Any]:
        return body.model_dump()

    @app.post("/orders/many")
    @validate(body=Order, max_bytes=BULK_BYTES)
    def order_many(body: Order) -> dict[str, Any]:
        return {"length": len(body.note)}

    @app.post("/orders/read-before")
    def order_read_before() -> dict[str, Any]:
        request.get_data(cache=True)
        return dict(read_body(Order))

    @app.get("/orders")
    @validate(query=Search)
    def search(query: Search) -> dict[str, Any]:
        return query.model_dump()

    return app.test_client()


def post(client: FlaskClient, data: bytes, content_type: str = "application/json") -> Any:
    """Send a body and return status and answer."""
    response = client.post("/orders", data=data, content_type=content_type)
    return response.status_code, response.get_json()


def test_a_valid_body_becomes_an_object(client: FlaskClient) -> None:
    """The view gets the parsed schema."""
    response = client.post("/orders", json={"user_id": "user_7", "lines": [], "note": " x "})
    assert response.get_json() == {"user_id": 7, "lines": [], "paid": False, "note": "x"}


def test_every_wrong_field_is_named_by_its_path(client: FlaskClient) -> None:
    """Missing, unknown and wrongly typed fields are told in one answer."""
    response = client.post(
        "/orders", json={"lines": [{"sku": 1, "count": "2"}], "paid": "yes", "extra": 1}
    )
    assert response.status_code == 400
    assert response.get_json()["error"] == "Failed to order"
    assert response.get_json()["details"]["reason"] == "validation_failed"
    assert response.get_json()["details"]["fields"] == {
        "user_id": ["is required"],
        "lines.0.sku": ["must be a valid string"],
        "lines.0.count": ["must be a valid integer"],
        "paid": ["must be a valid boolean"],
        "extra": ["is not a known field"],
    }


def test_values_are_not_repeated_in_the_answer(client: FlaskClient) -> None:
    """What was sent wrongly may be a password."""
    response = client.post("/orders", json={"user_id": "hunter2", "lines": "hunter2"})
    assert "hunter2" not in response.text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"user_id": NaN}',
        b'{"user_id": Infinity}',
        b"\xff\xfe",
        b'\xef\xbb\xbf{"user_id": 1}',
        b'{"user_id": 1, "user_id": 2}',
        b'{"lines": [{"sku": "a", "sku": "b"}]}',
        b'{"note": "\\u0000"}',
        b'{"\\u0000": 1}',
        b'{"note": "\\ud800"}',
        b'{"note": "a\x00b"}',
        b"[" * 2000,
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b'{"a":' * 400 + b"1" + b"}" * 400,
    ],
)
def test_doubtful_json_is_malformed(client: FlaskClient, data: bytes) -> None:
    """What two parsers could read differently, or PostgreSQL cannot store, is refused."""
    status, body = post(client, data)
    assert (status, body["details"]["reason"]) == (400, "malformed_json")
    assert body["error"] == "Failed to order"


def test_a_pair_of_surrogates_is_a_character(client: FlaskClient) -> None:
    """An emoji written as escapes is text."""
    status, body = post(client, b'{"user_id": 1, "lines": [], "note": "\\ud83d\\ude00"}')
    assert (status, body["note"]) == (200, "\U0001f600")


def test_nesting_up_to_the_bound_is_read(client: FlaskClient) -> None:
    """The bound itself is allowed; what is wrong then is the field."""
    status, body = post(client, b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert (status, body["details"]["fields"]) == (400, {"body": ["must be an object"]})


def test_a_number_of_a_thousand_digits_is_refused(client: FlaskClient) -> None:
    """Converting it would cost more than it could ever mean."""
    status, _ = post(client, b'{"user_id": ' + b"1" * 4000 + b', "lines": []}')
    assert status == 400


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "text/json", "", "nonsense"]
)
def test_another_content_type_is_415(client: FlaskClient, content_type: str) -> None:
    """A form that a foreign page can send is not read as JSON."""
    status, body = post(client, b'{"user_id": 1, "lines": []}', content_type)
    assert (status, body["details"]["reason"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "application/merge-patch+json", "Application/JSON"],
)
def test_json_in_its_spellings_is_read(client: FlaskClient, content_type: str) -> None:
    """Parameters, structured suffixes and capitals do not matter."""
    assert post(client, b'{"user_id": 1, "lines": []}', content_type)[0] == 200


def test_another_charset_is_415(client: FlaskClient) -> None:
    """JSON is UTF-8 (RFC 8259)."""
    assert post(client, b"{}", "application/json; charset=utf-16")[0] == 415


def test_a_body_over_the_limit_is_413(client: FlaskClient) -> None:
    """It is refused by its announced length, before it is read."""
    status, body = post(client, b" " * 5000)
    assert (status, body["details"]["reason"]) == (413, "payload_too_large")


def test_a_chunked_body_over_the_limit_is_413(client: FlaskClient) -> None:
    """A body that was cut at the limit is never taken for a whole one."""
    data = b'{"user_id": 1, "lines": []}' + b" " * 5000 + b"!"
    response = client.post(
        "/orders",
        input_stream=io.BytesIO(data),
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": ""},
    )
    assert response.status_code == 413


def _of_length(length: int) -> bytes:
    start, end = b'{"user_id": 1, "lines": [], "note": "', b'"}'
    return start + b"x" * (length - len(start) - len(end)) + end


def test_a_json_body_is_bounded_more_tightly_than_others(client: FlaskClient) -> None:
    """Parsed it takes many times its size, so what an upload may be is too much for JSON."""
    client.application.config["MAX_CONTENT_LENGTH"] = 10 * MAX_BYTES
    assert post(client, _of_length(MAX_BYTES))[0] == 200
    status, body = post(client, _of_length(MAX_BYTES + 1))
    assert (status, body["details"]["reason"]) == (413, "payload_too_large")
    assert body["error"] == "Failed to order"
    cut = client.post(
        "/orders",
        input_stream=io.BytesIO(_of_length(MAX_BYTES + 1)),
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": ""},
    )
    assert cut.status_code == 413


def test_a_view_of_many_things_has_a_wider_bound(client: FlaskClient) -> None:
    """It asks for one, within what the app allows for all."""
    client.application.config["MAX_CONTENT_LENGTH"] = None
    kind = {"content_type": "application/json"}
    assert client.post("/orders/many", data=_of_length(BULK_BYTES), **kind).status_code == 200
    assert client.post("/orders/many", data=_of_length(BULK_BYTES + 1), **kind).status_code == 413
    client.application.config["MAX_CONTENT_LENGTH"] = 4096
    assert client.post("/orders/many", data=_of_length(4097), **kind).status_code == 413


def test_a_body_that_somebody_read_before_is_bounded_as_well(client: FlaskClient) -> None:
    """What was cached under the app's wider limit is measured all the same."""
    client.application.config["MAX_CONTENT_LENGTH"] = 10 * MAX_BYTES
    response = client.post(
        "/orders/read-before", data=_of_length(MAX_BYTES + 1), content_type="application/json"
    )
    assert response.status_code == 413


@pytest.mark.parametrize(
    "text",
    [
        b'["' + b"[" * 100 + b'"]',
        b'["' + b'\\"[' * 100 + b'"]',
        b'["a\\\\", "' + b"{[" * 100 + b'"]',
        b"[" + b"[]," * 100 + b"{}]",
    ],
)
def test_brackets_within_texts_and_side_by_side_are_no_depth(text: bytes) -> None:
    """Only what is open at the same time counts."""
    assert isinstance(parse_json(text), list)


@pytest.mark.parametrize("start", [b'["\\\\", ', b'["\\"[]", ', b'{"a": '])
def test_depth_behind_texts_is_seen(start: bytes) -> None:
    """An escaped quote ends no text, an escaped backslash before a quote does not keep it open."""
    with pytest.raises(MalformedJson, match="deep"):
        parse_json(start + b"[" * MAX_DEPTH)


def test_depth_is_judged_before_anything_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that nests too deeply never reaches the parser (it would hold a list per bracket)."""
    monkeypatch.setattr(json, "loads", None)
    with pytest.raises(MalformedJson):
        parse_json(b"[" * (MAX_DEPTH + 1))


def test_a_query_is_read_from_strings(client: FlaskClient) -> None:
    """Numbers are converted; a list takes its parameter several times."""
    response = client.get("/orders?limit=5&tag=a&tag=b")
    assert response.get_json() == {"limit": 5, "cursor": None, "tag": ["a", "b"]}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1&limit=2", "limit"),
        ("size=5", "size"),
        ("cursor=%00", "cursor"),
    ],
)
def test_a_wrong_parameter_is_named(client: FlaskClient, query: str, field: str) -> None:
    """Out of bounds, repeated, unknown and unprintable parameters are refused by name."""
    response = client.get(f"/orders?{query}")
    assert response.status_code == 400
    assert field in response.get_json()["details"]["fields"]


def test_the_contract_of_a_view_is_recorded() -> None:
    """The OpenAPI document is made from what is checked."""

    @validate(body=Order, query=Search)
    def view() -> str:
        return ""

    assert view.contract == Contract(Order, Search, None)  # type: ignore[attr-defined] # recorded
