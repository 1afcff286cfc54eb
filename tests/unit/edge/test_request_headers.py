"""What a service is told with a request, written ahead or not."""

from itertools import product
from typing import Any

import pytest
from edge_exchange import Answered, exchange_for, identity

from gateline.edge.exchange import Exchange
from gateline.edge.heads import Head
from gateline.edge.request_headers import DEADLINE, outgoing_headers, service_headers
from gateline.edge.upstream import PreparedHeaders
from gateline.policy.headers import HeaderChanges, Headers
from gateline.policy.routes import Destination, Route
from gateline.policy.services import Endpoint, Service

UNTIL = 1_700_000_000_000
TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
PLAIN: Headers = [(b"host", b"shop"), (b"accept", b"*/*"), (b"authorization", b"Bearer a.b.c")]
ONE, OTHER = (Route(name, f"/{name}/*", Destination("shop")) for name in ("one", "other"))
SHOP = Service("shop", (Endpoint("http://a"),))
WITH_HOST = Service("shop", (Endpoint("http://a"),), preserve_host=True)
CALLERS: list[dict[str, Any]] = [
    {},
    {"identity": identity(7), "identity_headers": [(b"x-user-id", b"7")]},
    {"identity": identity(8), "identity_headers": [(b"x-user-id", b"8")]},
    {"client": "10.0.0.2"},
    {"scheme": "https"},
]


def exchange(headers: Headers, known: dict[str, Any], head: Head | None = None) -> Exchange:
    """Return an exchange, with what was read of its headers before if that is given."""
    made = exchange_for(Answered(), path="/one/1", headers=headers, **known)
    if head is not None:
        made.head, made.headers, made.fields = head, head.headers, head.fields
    return made


def steady(headers: Any) -> Headers:
    """Return the headers but for the trace, which is new each time; their order is free."""
    return sorted(pair for pair in headers if pair[0] != b"traceparent")


def test_one_head_of_two_callers_passes_on_two_identities() -> None:
    """Requests with the same bytes share what was read of them, never whose they are."""
    head = Head(PLAIN)
    ways = list(product(CALLERS, (ONE, OTHER), (SHOP, WITH_HOST), ("/one/1", "/1", "/x")))
    for known, route, service, path in [*ways, *reversed(ways)]:
        fresh = exchange(PLAIN, known)
        expected = [*service_headers(fresh, route, service, path), (DEADLINE, b"%d" % UNTIL)]
        found = outgoing_headers(exchange(PLAIN, known, head), route, service, path, UNTIL)
        assert isinstance(found, PreparedHeaders)
        assert steady(found) == steady(expected)
        assert sum(name == b"traceparent" for name, _ in found) == 1


@pytest.mark.parametrize(
    ("headers", "route"),
    [
        ([*PLAIN, (b"traceparent", b"00-" + TRACE + b"-00f067aa0ba902b7-01")], ONE),
        ([*PLAIN, (b"traceparent", b"broken"), (b"tracestate", b"a=1")], ONE),
        (PLAIN, Route("set", "/one/*", None, request_headers=HeaderChanges(set=((b"a", b"b"),)))),
        (
            PLAIN,
            Route(
                "none", "/one/*", None, request_headers=HeaderChanges(remove=frozenset({b"accept"}))
            ),
        ),
    ],
)
def test_what_is_not_the_same_each_time_is_not_written_ahead(
    headers: Headers, route: Route
) -> None:
    """A client's trace goes on, and what the file says of headers is what goes out."""
    asked = exchange(headers, {}, Head(headers))
    found = outgoing_headers(asked, route, SHOP, "/one/1", UNTIL)
    expected = service_headers(exchange(headers, {}), route, SHOP, "/one/1")
    assert steady(found) == steady([*expected, (DEADLINE, b"%d" % UNTIL)])
    assert asked.head.passed_on is None


def test_an_upload_without_an_end_has_no_deadline() -> None:
    """Nobody knows how long it takes."""
    found = outgoing_headers(exchange(PLAIN, {}), ONE, SHOP, "/one/1", None)
    assert DEADLINE not in dict(found)
