"""What is told of a request is what a real edge does with it."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from edge_people import People, edge_environment
from live_clients import refusal
from running_edge import RunningEdge
from scripted_services import ScriptedServices

from gateline.cli.callers import caller_named
from gateline.cli.explaining import explain
from gateline.cli.explanation import Asked, Explanation
from gateline.cli.reading import settings_of_nobody
from gateline.shared.gateway import GatewayPlan
from gateline.shared.gateway.loading import plan_of
from gateline.shared.gateway.source import Source

FILE = """
[gateway]
max_header_count = 12
max_body = 1000
cors_origins = ["https://app.example.org"]

[services.shop]
url = "{shop}"

[services.second]
url = "http://127.0.0.1:1"
protocol = "http2"

[[routes]]
path = "/api/shop/*"
service = "shop"
roles = ["customer"]
strip_prefix = true

[[routes]]
path = "/partners/*"
service = "shop"
cors = {{ origins = ["https://partner.example.org"] }}

[[routes]]
path = "/second/*"
service = "second"

[[routes]]
path = "/closed/*"
service = "shop"
auth = "none"
websocket = false
encoded_slashes = true

[[routes]]
path = "/inside"
service = "shop"
auth = "none"
deny_ips = ["127.0.0.0/8"]

[[routes]]
path = "/old/*"
redirect = "/new/{{path}}"
"""
PAGE = "https://app.example.org"
PARTNER = "https://partner.example.org"
STRANGER = "https://stranger.example.org"
FRAMING = {"connection", "content-length"}
"""What belongs to the connection and to the body, of which nothing is told."""


class Request(NamedTuple):
    """A request: `who` is a kind of account, by cookie or by bearer token."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    who: str = ""
    by_cookie: bool = False


@pytest.fixture(scope="module")
def plan(gate: RunningEdge) -> GatewayPlan:
    """Give the plan of the file that the edge serves."""
    return plan_of(Source.read(gate.folder / "gateline.toml"), settings_of_nobody())


@pytest.fixture(scope="module")
def gate(
    every_service: ScriptedServices, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningEdge]:
    """Run an edge with a file of its own."""
    folder = tmp_path_factory.mktemp("explained")
    shop = f"http://127.0.0.1:{every_service.ports['events']}"
    (folder / "gateline.toml").write_text(FILE.format(shop=shop))
    running = RunningEdge(folder, edge_environment(redis_url) | every_service.environment)
    running.start()
    yield running
    running.stop()


def told(plan: GatewayPlan, request: Request, host: str, *more: tuple[str, str]) -> Explanation:
    """Explain a request as if it were sent to `host`."""
    pairs = (("host", host), *request.headers, *more)
    return explain(
        plan,
        Asked(
            request.method,
            request.target,
            [(name.lower().encode(), value.encode()) for name, value in pairs],
            "127.0.0.1",
            "http",
            caller_named(request.who, plan, by_cookie=request.by_cookie),
        ),
    )


def credentials(people: People, request: Request) -> list[tuple[bytes, bytes]]:
    """Return the header with which somebody of that kind asks."""
    if not request.who:
        return []
    person = people.log_in(request.who)
    return [person.cookie if request.by_cookie else person.bearer]


REQUESTS = [
    Request("GET", "/api/shop/items?a=1", who="customer"),
    Request("POST", "/api/shop/items/", who="customer", by_cookie=True),
    Request("GET", "/api/shop/items"),
    Request("GET", "/api/shop/items", who="patient"),
    Request("POST", "/api/shop/items", (("Origin", STRANGER),), "customer", by_cookie=True),
    Request("POST", "/api/shop/items", (("Origin", PAGE),), "customer", by_cookie=True),
    Request("POST", "/partners/x", (("Origin", PAGE),), "customer", by_cookie=True),
    Request("POST", "/partners/x", (("Origin", PARTNER),), "customer", by_cookie=True),
    Request("POST", "/partners/x", (("Sec-Fetch-Site", "cross-site"),), "customer", by_cookie=True),
    Request("GET", "/closed/x", tuple((f"X-{number}", "1") for number in range(20))),
    Request("GET", "/closed/a%2Fb"),
    Request("GET", "/api/shop/a%2Fb", who="customer"),
    Request("GET", "/closed/../x"),
    Request("GET", "/closed//x"),
    Request("PURGE", "/closed/x"),
    Request("POST", "/closed/x", (("Content-Length", "1001"),)),
    Request("GET", "/inside"),
    Request("GET", "/old/x/?q=1"),
    Request("GET", "/api/none"),
    Request("GET", "/ws/dashboard", who="admin"),
    Request("GET", "/ws/other"),
    Request(
        "OPTIONS", "/partners/x", (("Origin", PARTNER), ("Access-Control-Request-Method", "POST"))
    ),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_a_request_is_answered_as_it_was_told(
    gate: RunningEdge,
    plan: GatewayPlan,
    people: People,
    services: ScriptedServices,
    request_: Request,
) -> None:
    """Status and reason of a refusal, or what reaches the service, are the same."""
    headers = [(name.encode(), value.encode()) for name, value in request_.headers]
    answer = gate.ask(request_.method, request_.target, [*headers, *credentials(people, request_)])
    found = told(plan, request_, f"127.0.0.1:{gate.port}")

    if found.forwarded is None:
        assert (answer.status, found.reason) == (found.status, _reason(answer))
        return
    assert answer.status == 200, found.verdict
    path = str(found.forwarded["path"])
    (seen,) = services.seen(path.partition("?")[0])
    assert seen.target == path.encode()
    names = {name.decode().lower() for name, _ in seen.headers}
    assert names - FRAMING == {name for name, _ in found.forwarded["headers"]}


def _reason(answer: Any) -> str | None:
    return None if answer.status < 400 else answer.reason


SOCKETS = [
    Request("GET", "/api/shop/live", (("Origin", STRANGER),), "customer", by_cookie=True),
    Request("GET", "/api/shop/live", who="patient"),
    Request("GET", "/partners/live", (("Origin", PAGE),), "customer", by_cookie=True),
    Request("GET", "/second/live", who="customer"),
    Request("GET", "/closed/live"),
    Request("GET", "/ws/dashboard", (("Origin", STRANGER),), "admin", by_cookie=True),
    Request("GET", "/ws/dashboard", who="customer"),
    Request("GET", "/socket.io/?EIO=4&transport=websocket", (("Origin", STRANGER),)),
]


@pytest.mark.parametrize("request_", SOCKETS, ids=str)
def test_a_handshake_is_refused_as_it_was_told(
    gate: RunningEdge, plan: GatewayPlan, people: People, request_: Request
) -> None:
    """A socket is judged as what it is: anything that a page may do with a cookie."""
    sent = dict(request_.headers)
    sent |= {name.decode(): value.decode() for name, value in credentials(people, request_)}
    found = told(plan, request_, f"127.0.0.1:{gate.port}", ("Upgrade", "websocket"))

    assert refusal(gate.port, request_.target, **sent) == (found.status, found.reason)
