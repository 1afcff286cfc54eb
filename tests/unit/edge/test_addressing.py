"""What one service is told of how it is asked."""

import pytest
from edge_exchange import Answered, exchange_for

from gateline.edge.addressing import address_headers, target_of
from gateline.policy.headers import Headers
from gateline.policy.services import Endpoint, Service


@pytest.mark.parametrize(
    ("path", "preserve_host", "told"),
    [
        ("/api/shop/7", False, []),
        ("/7", False, [(b"x-forwarded-prefix", b"/api/shop")]),
        ("/elsewhere", False, []),
        ("/7", True, [(b"x-forwarded-prefix", b"/api/shop"), (b"host", b"shop.example")]),
    ],
)
def test_a_service_is_told_what_is_not_to_be_seen_in_its_request(
    path: str, preserve_host: bool, told: Headers
) -> None:
    """The part of the path that was taken away; the client's host where it is wanted."""
    exchange = exchange_for(Answered(), path="/api/shop/7", headers=[(b"host", b"shop.example")])
    service = Service("shop", (Endpoint("http://127.0.0.1:1"),), preserve_host=preserve_host)

    assert address_headers(exchange, service, path) == told


def test_the_query_goes_along() -> None:
    """Byte for byte, after a path that may be another; without one there is no question mark."""
    asked = exchange_for(Answered(), path="/a", query=b"q=%41&r")

    assert target_of(asked, "/b") == b"/b?q=%41&r"
    assert target_of(exchange_for(Answered(), path="/a"), "/a") == b"/a"
