"""Retail as a whole and in parts."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from gateline.sample.retail import PARTS, create_app


@pytest.mark.parametrize(
    ("part", "own", "other"),
    [("users", "/register", "/events"), ("events", "/events", "/register")],
)
def test_one_part_is_a_service_of_its_own(
    shop: Any, make_retail_app: Callable[..., Flask], part: str, own: str, other: str
) -> None:
    """It answers its own addresses, names itself, and knows no others."""
    client = make_retail_app(parts=(part,)).test_client()
    assert client.post(own, json={}).status_code in {400, 403}
    assert client.post(other, json={}).status_code == 404
    assert client.get("/health").get_json()["service"] == part


def test_an_unknown_part_is_refused() -> None:
    """A typing error is told at the start, with what there is."""
    with pytest.raises(ValueError, match="tills"):
        create_app(parts=("users", "tills"))
    with pytest.raises(ValueError, match="none"):
        create_app(parts=())
    assert PARTS == ("users", "events")


def test_the_whole_is_healthy(shop: Any) -> None:
    """With the documented fields."""
    answer = shop("GET", "/health")
    assert answer.status_code == 200
    assert answer.json["service"] == "retail"
    assert (answer.json["database"], answer.json["redis"]) == ("connected", "connected")


def test_every_change_needs_a_key(shop: Any) -> None:
    """Only reading and registering is for everybody."""
    rules = [rule for rule in shop.app.url_map.iter_rules() if rule.endpoint.startswith("events.")]
    assert len(rules) == 6
    for rule in rules:
        path = rule.rule.replace("<code:camera_id>", "cam-01")
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
            expected = 200 if method == "GET" else 403
            assert shop(method, path, json=None).status_code == expected, (method, path)
