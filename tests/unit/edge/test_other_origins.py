"""Pages of other origins, and load balancers in front: what the edge says and whom it believes."""

from collections.abc import Iterator

import pytest
from edge_people import People, edge_environment
from running_edge import RunningEdge, Wire
from scripted_services import ScriptedServices, answer

LISTED = (b"Origin", b"https://app.example.org")
FOREIGN = (b"Origin", b"https://evil.example")
PATH = "/api/v1/doctors/"
LOGOUT = "/api/auth/logout"


@pytest.fixture(scope="module")
def fronted_edge(
    every_service: ScriptedServices, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningEdge]:
    """Run an edge behind a load balancer on this machine, with one listed origin."""
    environment = edge_environment(
        redis_url,
        EDGE_TRUSTED_PROXIES="127.0.0.1",
        CORS_ORIGINS="https://app.example.org",
    )
    running = RunningEdge(
        tmp_path_factory.mktemp("fronted-edge"), environment | every_service.environment
    )
    running.start()
    yield running
    running.stop()


def _cors(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    return {name: value for name, value in headers if name.startswith(b"access-control-")}


def test_a_preflight_needs_no_session(fronted_edge: RunningEdge) -> None:
    """A listed origin's preflight is answered by the edge, before anybody looks for a session."""
    ask = (b"Access-Control-Request-Method", b"PUT")
    with Wire(fronted_edge.port) as wire:
        wire.send_head("OPTIONS", PATH, [LISTED, ask])
        answer = wire.read("OPTIONS")
    assert answer.status == 204
    granted = _cors(answer.headers)
    assert granted[b"access-control-allow-origin"] == LISTED[1]
    assert granted[b"access-control-allow-credentials"] == b"true"
    assert b"PUT" in granted[b"access-control-allow-methods"]


def test_a_foreign_preflight_is_refused(fronted_edge: RunningEdge) -> None:
    """An origin that is not listed gets the route's own refusal and no grant."""
    ask = (b"Access-Control-Request-Method", b"PUT")
    with Wire(fronted_edge.port) as wire:
        wire.send_head("OPTIONS", PATH, [FOREIGN, ask])
        answer = wire.read("OPTIONS")
    assert answer.status == 401
    assert not _cors(answer.headers)


def test_the_edge_speaks_for_all_services(
    fronted_edge: RunningEdge, services: ScriptedServices, people: People
) -> None:
    """Answers carry the edge's grant once, refusals too; an unlisted origin gets none."""
    person = people.log_in("doctor")
    with Wire(fronted_edge.port) as wire:
        wire.send_head("GET", PATH, [LISTED, person.bearer])
        answer = wire.read()
        wire.send_head("GET", PATH, [LISTED])
        refused = wire.read()
        wire.send_head("GET", PATH, [FOREIGN, person.bearer])
        foreign = wire.read()
    assert answer.status == 200
    assert answer.values(b"access-control-allow-origin") == [LISTED[1]]
    assert refused.status == 401
    assert refused.values(b"access-control-allow-origin") == [LISTED[1]]
    assert foreign.status == 200
    assert not _cors(foreign.headers)
    assert foreign.values(b"vary") == [b"Origin"]


def test_an_answer_without_an_origin_depends_on_it_too(
    fronted_edge: RunningEdge, services: ScriptedServices, people: People
) -> None:
    """A cache may not hand it to a page of another origin; what the service grants is dropped."""
    services.on(PATH, answer(200, b"[]", [(b"Access-Control-Allow-Origin", b"*")]))
    with Wire(fronted_edge.port) as wire:
        wire.send_head("GET", PATH, [people.log_in("doctor").bearer])
        told = wire.read()
    assert told.status == 200
    assert not _cors(told.headers)
    assert told.values(b"vary") == [b"Origin"]


@pytest.mark.parametrize(
    "from_elsewhere", [(b"Sec-Fetch-Site", b"cross-site"), (b"Origin", b"https://evil.example")]
)
def test_a_session_is_borrowed_by_no_other_site(
    fronted_edge: RunningEdge, services: ScriptedServices, from_elsewhere: tuple[bytes, bytes]
) -> None:
    """Also where the route asks for nobody and the service itself looks at the cookie."""
    own = (b"Sec-Fetch-Site", b"same-origin")
    theirs, ours = (b"Cookie", b"a=1"), (b"Cookie", b"a=1; gateline_session=abc")
    statuses = []
    with Wire(fronted_edge.port) as wire:
        for method, headers in (
            ("POST", [ours, from_elsewhere]),
            ("POST", [theirs, from_elsewhere]),
            ("POST", [ours, own]),
            ("GET", [ours, from_elsewhere]),
        ):
            wire.send_head(method, LOGOUT, [*headers, (b"Content-Length", b"0")])
            statuses.append(wire.read().status)
    assert statuses == [403, 200, 200, 200]
    assert len(services.seen(LOGOUT)) == 3


def test_a_listed_load_balancer_is_believed(
    fronted_edge: RunningEdge, services: ScriptedServices
) -> None:
    """Address and scheme come from the last untrusted hop, and TLS in front names the cookie."""
    headers = [
        (b"X-Forwarded-For", b"6.6.6.6, 203.0.113.7"),
        (b"X-Forwarded-Proto", b"https"),
    ]
    with Wire(fronted_edge.port) as wire:
        wire.send_head("GET", "/", headers)
        assert wire.read().status == 200
    seen = dict(services.seen("/")[0].headers)
    assert seen[b"x-forwarded-for"] == b"203.0.113.7"
    assert seen[b"x-forwarded-proto"] == b"https"


@pytest.mark.parametrize(
    "headers",
    [
        [(b"X-Forwarded-For", b"203.0.113.7"), (b"X-Forwarded-For", b"127.0.0.1")],
        [(b"X-Forwarded-For", b"6.6.6.6"), (b"X-Forwarded-For", b"203.0.113.7, 127.0.0.1")],
        [(b"Forwarded", b"for=6.6.6.6"), (b"Forwarded", b"for=203.0.113.7;proto=https")],
    ],
)
def test_every_line_of_a_listed_load_balancer_counts(
    fronted_edge: RunningEdge, services: ScriptedServices, headers: list[tuple[bytes, bytes]]
) -> None:
    """Several lines are one list, and Forwarded says the same as X-Forwarded-For."""
    fronted_edge.get("/", headers)
    (seen,) = services.seen("/")
    assert seen.values(b"x-forwarded-for") == [b"203.0.113.7"]
    assert seen.values(b"forwarded") == []


def test_anybody_else_is_not_believed(edge: RunningEdge, services: ScriptedServices) -> None:
    """Without EDGE_TRUSTED_PROXIES what a client says of itself is replaced."""
    headers = [(b"X-Forwarded-For", b"6.6.6.6"), (b"X-Forwarded-Proto", b"https")]
    with Wire(edge.port) as wire:
        wire.send_head("GET", "/", headers)
        assert wire.read().status == 200
    seen = dict(services.seen("/")[0].headers)
    assert seen[b"x-forwarded-for"] == b"127.0.0.1"
    assert seen[b"x-forwarded-proto"] == b"http"
