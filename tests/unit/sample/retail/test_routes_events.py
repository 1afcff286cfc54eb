"""The edge processor over HTTP: ingest, cameras, the event log, alerts."""

from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from gateline.sample.retail.models import Alert, LoggedEvent

ACCEPTED = {"accepted": 1, "duplicates": 0, "alerts_opened": 0, "alerts_closed": 0}


def count(shop: Any, table: Any) -> int:
    """Count the rows of a table."""
    [(number,)] = shop.execute(sa.select(sa.func.count()).select_from(table))
    return int(number)


def test_an_event_appears_in_the_log(shop: Any, queue: Any) -> None:
    """As it was sent, with severity and message of the rules."""
    answer = shop.report(queue(1, 2, at=-1))
    assert (answer.status_code, answer.json) == (200, ACCEPTED)
    [item] = shop("GET", "/logs").json["items"]
    assert item == {
        "id": "e-1",
        "type": "queue_length",
        "severity": "info",
        "message": "2 waiting at till-1",
        "camera_id": None,
        "zone": "checkout",
        "data": {"till": "till-1", "length": 2},
        "occurred_at": "2025-03-12T11:59:00Z",
        "received_at": "2025-03-12T12:00:00Z",
    }


@pytest.mark.parametrize("key", ["", "wrong"])
def test_only_services_report(shop: Any, queue: Any, key: str) -> None:
    """A wrong or missing key is refused with 403 and nothing is kept."""
    answer = shop.report(queue(1, 2), key=key)
    assert answer.status_code == 403
    assert answer.json["error"] == "Invalid service key"
    assert count(shop, LoggedEvent) == 0
    put = shop("PUT", "/cameras/cam-09", json={"name": "N", "zone": "Z"})
    assert put.status_code == 403


def test_services_have_a_limit_of_their_own(
    make_retail_app: Any, shop: Any, queue: Any, redis_url: str
) -> None:
    """The hundred and first request of a minute gets 429 with the limit's headers."""
    app: Flask = make_retail_app(
        variables={"SERVICE_RATE_LIMIT": "2/minute", "SERVICE_KEYS": "busy:a-key-of-the-busy-one"}
    )
    headers = {"X-Service-Key": "a-key-of-the-busy-one"}
    client = app.test_client()
    answers = [client.post("/events", json={}, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [400, 400, 429]
    assert answers[2].headers["X-RateLimit-Limit"] == "2"
    assert "Retry-After" in answers[2].headers


def test_an_event_id_counts_once(shop: Any, queue: Any) -> None:
    """Sent again, within a batch or later, it is skipped: the first one stays."""
    first = shop.report(queue(1, 2), queue(1, 9), queue(2, 3))
    assert first.json == {**ACCEPTED, "accepted": 2, "duplicates": 1}
    again = shop.report(queue(1, 9), queue(2, 9))
    assert again.json == {**ACCEPTED, "accepted": 0, "duplicates": 2}
    lengths = [item["data"]["length"] for item in shop("GET", "/logs").json["items"]]
    assert sorted(lengths) == [2, 3]
    assert count(shop, Alert) == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"camera_id": "cam-99"}, "events.1.camera_id"),
        ({"occurred_at": "2025-03-12T12:06:00Z"}, "events.1.occurred_at"),
        ({"occurred_at": "1999-12-31T23:59:59Z"}, "events.1.queue_length.occurred_at"),
        ({"data": {"till": "t", "length": -1}}, "events.1.queue_length.data.length"),
        ({"data": {"till": "t", "length": "2"}}, "events.1.queue_length.data.length"),
        ({"type": "earthquake"}, "events.1"),
        ({"id": "no id"}, "events.1.queue_length.id"),
        ({"colour": "red"}, "events.1.queue_length.colour"),
    ],
)
def test_a_batch_is_taken_whole_or_not_at_all(
    shop: Any, queue: Any, change: dict[str, Any], field: str
) -> None:
    """One wrong event refuses all, and is named."""
    answer = shop.report(queue(1, 9), {**queue(2, 2), **change})
    assert answer.status_code == 400, answer.text
    assert field in answer.json["details"]["fields"]
    assert count(shop, LoggedEvent) == 0
    assert count(shop, Alert) == 0


def test_an_event_of_a_camera_names_it(shop: Any, camera_event: Any) -> None:
    """A state of nothing is refused."""
    answer = shop.report({**camera_event(1, "offline"), "camera_id": None})
    assert answer.status_code == 400


def test_a_batch_has_a_size(shop: Any, queue: Any) -> None:
    """1 to 1000 events: a thousand are taken, one more are not."""
    thousand = [queue(number, 1) for number in range(1000)]
    assert shop.report().status_code == 400
    assert shop.report(*thousand, queue(1000, 1)).status_code == 400
    assert shop.report(*thousand).json["accepted"] == 1000


def test_the_log_is_read_page_by_page(shop: Any, queue: Any) -> None:
    """The latest first, each once, also those of the same time."""
    shop.report(*(queue(number, 1, at=-(number // 2)) for number in range(7)))
    seen: list[str] = []
    path: str | None = "/logs?limit=3"
    while path:
        page = shop("GET", path).json
        seen += [item["id"] for item in page["items"]]
        path = f"/logs?limit=3&cursor={page['next_cursor']}" if page["next_cursor"] else None
    assert seen == ["e-1", "e-0", "e-3", "e-2", "e-5", "e-4", "e-6"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("type=camera", {"e-3"}),
        ("severity=warning", {"e-2", "e-3"}),
        ("severity=info", {"e-1"}),
        ("camera_id=cam-01", {"e-3"}),
        ("zone=checkout", {"e-1", "e-2"}),
        ("since=2025-03-12T11:50:00Z", {"e-2", "e-3"}),
        ("until=2025-03-12T11:50:00Z", {"e-1"}),
        ("since=2025-03-12T11:50:00Z&until=2025-03-12T12:00:00Z", {"e-2"}),
        ("q=WAITING", {"e-1", "e-2"}),
        ("q=%25", set()),
    ],
)
def test_the_log_is_filtered(
    shop: Any, queue: Any, camera_event: Any, query: str, found: set[str]
) -> None:
    """By type, severity, camera, zone, time and text; `%` is a character like any other."""
    shop.report(queue(1, 1, at=-20), queue(2, 8, at=-10), camera_event(3, "offline"))
    assert {item["id"] for item in shop("GET", f"/logs?{query}").json["items"]} == found


@pytest.mark.parametrize(
    "path",
    [
        "/logs?type=earthquake",
        "/logs?limit=101",
        "/logs?cursor=nonsense",
        "/logs?since=2025-01-02T00:00:00Z&until=2025-01-01T00:00:00Z",
        "/logs?colour=red",
        "/alerts?status=shut",
        "/alerts/count?since=yesterday",
        "/cameras?status=sleeping",
    ],
)
def test_wrong_queries_are_refused(shop: Any, path: str) -> None:
    """With the standard body, naming the parameter."""
    answer = shop("GET", path)
    assert answer.status_code == 400
    assert answer.json["details"]["reason"] == "validation_failed"


def test_alerts_are_counted(shop: Any, queue: Any, camera_event: Any) -> None:
    """Open ones, closed ones, by severity, and within a time."""
    empty = shop("GET", "/alerts/count").json
    assert (empty["count"], empty["total"]) == (0, 0)
    shop.report(
        queue(1, 8, at=-30),
        queue(2, 2, at=-20),
        queue(3, 11, at=-10, till="till-2"),
        camera_event(4, "offline"),
    )
    assert shop("GET", "/alerts/count").json == {
        "count": 2,
        "open": 2,
        "closed": 1,
        "total": 3,
        "by_severity": {
            "critical": {"open": 1, "total": 1},
            "warning": {"open": 1, "total": 2},
        },
    }
    assert shop("GET", "/alerts/count?since=2025-03-12T11:45:00Z").json["total"] == 2
    assert shop("GET", "/alerts/count?camera_id=cam-01").json["total"] == 1
    assert shop("GET", "/alerts/count?zone=nowhere").json["total"] == 0


def test_alerts_are_listed(shop: Any, queue: Any) -> None:
    """The latest first, by state and severity."""
    shop.report(queue(1, 8, at=-30), queue(2, 2, at=-20), queue(3, 11, at=-10, till="till-2"))
    latest, first = shop("GET", "/alerts").json["items"]
    assert (latest["subject"], latest["severity"], latest["closed_at"]) == (
        "till-2",
        "critical",
        None,
    )
    assert (first["opened_at"], first["closed_at"]) == (
        "2025-03-12T11:30:00Z",
        "2025-03-12T11:40:00Z",
    )
    for query, found in (
        ("status=open", [latest]),
        ("status=closed", [first]),
        ("severity=warning", [first]),
    ):
        assert shop("GET", f"/alerts?{query}").json["items"] == found


def test_cameras_are_listed(shop: Any, camera_event: Any) -> None:
    """By code, with their state, when they were seen and how many alerts they have."""
    shop.report(camera_event(1, "offline", at=-2))
    one, two = shop("GET", "/cameras").json["items"]
    assert (one["id"], one["status"], one["open_alerts"]) == ("cam-01", "offline", 1)
    assert (two["id"], two["status"], two["open_alerts"]) == ("cam-02", "online", 0)
    assert shop("GET", "/cameras?status=offline").json["items"] == [one]
    assert shop("GET", "/cameras/?zone=checkout").json["items"] == [two]
    first = shop("GET", "/cameras?limit=1").json
    assert first["items"] == [one]
    rest = shop("GET", f"/cameras?limit=1&cursor={first['next_cursor']}").json
    assert rest == {"items": [two], "next_cursor": None, "total": 2}
    assert shop("GET", "/cameras?limit=1&status=offline").json["total"] == 1


def test_a_service_puts_cameras_up(shop: Any, camera_event: Any) -> None:
    """201 for a new one, 200 for a change; its events are taken from then on."""
    headers = {"X-Service-Key": "a-service-key-for-tests-of-32-bytes"}
    body = {"name": "Roof", "zone": "outside", "resolution": "1280x720"}
    made = shop("PUT", "/cameras/cam-03", json=body, headers=headers)
    assert (made.status_code, made.json["status"]) == (201, "online")
    changed = shop("PUT", "/cameras/cam-03", json={**body, "name": "Tower"}, headers=headers)
    assert (changed.status_code, changed.json["name"]) == (200, "Tower")
    assert shop.report(camera_event(1, "online", code="cam-03")).status_code == 200
    assert shop("PUT", "/cameras/no%20code", json=body, headers=headers).status_code == 404
