"""What a gateway file makes of a request at the door, by a real edge that reads one."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from edge_people import People, edge_environment
from running_edge import RunningEdge
from scripted_services import ScriptedServices, Visit, answer, hang

FILE = """
[gateway]
cors_origins = ["https://app.example.org"]
max_body = "1MB"
max_header_count = 20

[services.shop]
url = "{shop}"

[services.files]
url = "{files}"
health_check = {{ path = "/how-are-you", interval = "1h" }}

[[routes]]
path = "/api/shop/*"
service = "shop"
auth = "none"
strip_prefix = true
max_body = 10

[routes.request_headers]
set = {{ X-Tenant = "north" }}
add = {{ X-Tag = "edge" }}
remove = ["X-Debug"]

[[routes]]
path = "/api/shop/beta/*"
service = "files"
auth = "none"
headers = {{ X-Version = "2" }}

[[routes]]
path = "/old/*"
redirect = "/api/shop/{{path}}"

[[routes]]
path = "/items/{{id}}"
redirect = {{ to = "https://shop.example.org/i?id={{id}}", status = 302 }}

[[routes]]
path = "/inside/*"
service = "shop"
auth = "none"
allow_ips = ["127.0.0.0/8", "10.0.0.0/8"]
deny_ips = ["127.0.0.9/32"]

[[routes]]
path = "/outside/*"
service = "shop"
auth = "none"
allow_ips = ["10.0.0.0/8"]

[[routes]]
path = "/partners/*"
service = "shop"
cors = {{ origins = ["https://partner.example.org"], methods = ["POST"], max_age = 60 }}

[[routes]]
path = "/public/*"
service = "shop"
auth = "none"
cors = {{ origins = ["*"] }}

[[routes]]
path = "/files/*"
service = "files"
auth = "none"
encoded_slashes = true

[[routes]]
path = "/files/private/*"
service = "files"
roles = ["admin"]

[[routes]]
path = "/patient/*"
service = "shop"
auth = "none"
timeout = "300ms"

[[routes]]
path = "/events/*"
service = "shop"
auth = "none"
timeout = "300ms"

[[routes]]
path = "/short-events/*"
service = "shop"
auth = "none"
timeout = "300ms"
stream_idle = "500ms"

[services.narrow]
url = "{shop}"
concurrency = {{ limit = 1, queue = 0 }}
preserve_host = true

[[routes]]
path = "/narrow/*"
service = "narrow"
auth = "none"
"""

APP = (b"Origin", b"https://app.example.org")
PARTNER = (b"Origin", b"https://partner.example.org")
ANYBODY = (b"Origin", b"https://anybody.example")


@pytest.fixture(scope="module")
def own_edge(
    every_service: ScriptedServices, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningEdge]:
    """Run an edge with a gateway file of its own."""
    folder = tmp_path_factory.mktemp("own-edge")
    ports = every_service.ports
    text = FILE.format(
        shop=f"http://127.0.0.1:{ports['events']}", files=f"http://127.0.0.1:{ports['users']}"
    )
    (folder / "gateline.toml").write_text(text)
    running = RunningEdge(folder, edge_environment(redis_url) | every_service.environment)
    running.start()
    yield running
    running.stop()


def test_a_route_of_its_own_is_answered(own_edge: RunningEdge, services: ScriptedServices) -> None:
    """The prefix is left out on the way, and headers are changed as the route says."""
    headers = [(b"X-Debug", b"1"), (b"X-Tenant", b"south"), (b"X-Tag", b"mine")]
    assert own_edge.get("/api/shop/items?a=1", headers).json() == {"service": "events"}
    (seen,) = services.seen("/items")
    assert seen.target == b"/items?a=1"
    assert seen.values(b"x-forwarded-prefix") == [b"/api/shop"]
    assert seen.values(b"x-tenant") == [b"north"]
    assert seen.values(b"x-tag") == [b"mine", b"edge"]
    assert seen.values(b"x-debug") == []


def test_the_platform_is_there_and_the_samples_are_not(own_edge: RunningEdge) -> None:
    """A file adds to accounts, API and pages; the samples are asked for."""
    assert own_edge.get("/").json() == {"service": "web"}
    assert own_edge.get("/api/auth/login").json() == {"service": "auth"}
    assert own_edge.get("/api/v1/doctors").reason == "no_route"
    assert own_edge.get("/livez").status == 200


def test_a_header_picks_the_route(own_edge: RunningEdge, services: ScriptedServices) -> None:
    """With its condition met the more specific route answers, else the one above it."""
    del services
    assert own_edge.get("/api/shop/beta/x", [(b"X-Version", b"2")]).json() == {"service": "users"}
    assert own_edge.get("/api/shop/beta/x", [(b"X-Version", b"1")]).json() == {"service": "events"}


@pytest.mark.parametrize(
    ("path", "status", "location"),
    [
        ("/old/a/b?x=1&y=%20", 308, b"/api/shop/a/b?x=1&y=%20"),
        ("/old", 308, b"/api/shop/"),
        ("/old//evil.example/%41", 308, b"/api/shop/evil.example/A"),
        ("/items/7", 302, b"https://shop.example.org/i?id=7"),
        ("/items/7?q=2", 302, b"https://shop.example.org/i?id=7&q=2"),
    ],
)
def test_a_redirect_is_answered_at_the_door(
    own_edge: RunningEdge, services: ScriptedServices, path: str, status: int, location: bytes
) -> None:
    """Nobody has to log in to be sent elsewhere, and no service hears of it."""
    said = own_edge.get(path)
    assert (said.status, said.values(b"location"), said.body) == (status, [location], b"")
    assert services.requests == []


def test_addresses_decide(own_edge: RunningEdge, services: ScriptedServices) -> None:
    """Outside of the allowed networks the answer is 403, whoever asks."""
    assert own_edge.get("/inside/x").status == 200
    services.clear()
    refused = own_edge.get("/outside/x")
    assert (refused.status, refused.reason) == (403, "address_not_allowed")
    assert services.requests == []
    spoofed = own_edge.get("/outside/x", [(b"X-Forwarded-For", b"10.0.0.1")])
    assert spoofed.status == 403


def test_a_route_takes_bodies_up_to_its_own_size(
    own_edge: RunningEdge, services: ScriptedServices
) -> None:
    """Its limit goes before the gateway's, which holds elsewhere."""
    del services
    assert own_edge.ask("POST", "/api/shop/x", body=b"0123456789").status == 200
    assert own_edge.ask("POST", "/api/shop/x", body=b"0123456789+").reason == "payload_too_large"
    assert own_edge.ask("POST", "/public/x", body=b"0123456789+").status == 200
    with own_edge.connect() as wire:
        wire.send_head("POST", "/public/x", [(b"Content-Length", b"1000001")])
        assert wire.read("POST").reason == "payload_too_large"


def test_a_request_has_no_more_headers_than_allowed(own_edge: RunningEdge) -> None:
    """The limit of the file counts them all, Host included."""
    some = [(b"X-%d" % number, b"1") for number in range(19)]
    assert own_edge.get("/livez", some).status == 200
    assert own_edge.get("/livez", [*some, (b"X-19", b"1")]).reason == "headers_too_large"


def test_a_route_waits_as_long_as_it_says(
    own_edge: RunningEdge, services: ScriptedServices
) -> None:
    """Its time-out goes before the service's."""
    services.on("/patient/x", hang)
    assert own_edge.get("/patient/x").reason == "upstream_timeout"


async def seldom(visit: Visit) -> None:
    """Say something each second or so, as a stream of events does."""
    await visit.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n")
    await visit.send(b"transfer-encoding: chunked\r\n\r\n")
    for _ in range(2):
        await visit.send(b"9\r\ndata: 1\n\n\r\n")
        await asyncio.sleep(0.8)
    await visit.send(b"0\r\n\r\n")


def test_a_stream_may_be_silent_for_longer_than_an_answer_may_take(
    own_edge: RunningEdge, services: ScriptedServices
) -> None:
    """Events further apart than the time-out arrive, unless `stream_idle` allows less."""
    services.on("/events/x", seldom)
    services.on("/short-events/x", seldom)
    whole = own_edge.get("/events/x")
    assert (whole.whole, whole.body) == (True, b"data: 1\n\n" * 2)
    torn = own_edge.get("/short-events/x")
    assert (torn.whole, torn.body) == (False, b"data: 1\n\n")


def test_an_answer_of_known_length_may_not_stall(
    own_edge: RunningEdge, services: ScriptedServices
) -> None:
    """It is no stream: when its service falls silent it is broken."""

    async def stall(visit: Visit) -> None:
        await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n" + b"x" * 100_000)
        await visit.until_gone()

    services.on("/events/y", stall)
    started = time.monotonic()
    assert not own_edge.get("/events/y").whole
    assert time.monotonic() - started < 3.0


def test_a_service_is_asked_under_its_own_name_or_the_clients(
    own_edge: RunningEdge, services: ScriptedServices
) -> None:
    """`preserve_host` passes the Host header on; X-Forwarded-Host says it in any case."""
    for path, name in (("/narrow/x", b"shop.example"), ("/public/x", None)):
        own_edge.get(path, [(b"Host", b"shop.example"), (b"X-Forwarded-Prefix", b"/evil")])
        (seen,) = services.seen(path)
        own = b"127.0.0.1:%d" % services.ports["events"]
        assert seen.values(b"host") == [name or own]
        assert seen.values(b"x-forwarded-host") == [b"shop.example"]
        assert seen.values(b"x-forwarded-prefix") == []


def test_who_dawdles_holds_no_place_of_a_service(
    own_edge: RunningEdge, services: ScriptedServices
) -> None:
    """A small body is read before one of the places under `concurrency` is taken."""
    with own_edge.connect() as slow:
        slow.send_head("POST", "/narrow/slow", [(b"Content-Length", b"4")])
        slow.send(b"ab")
        time.sleep(0.2)
        assert own_edge.get("/narrow/quick").status == 200
        slow.send(b"cd")
        assert slow.read().status == 200
    assert services.seen("/narrow/slow")[0].body == b"abcd"


@pytest.mark.parametrize(
    ("path", "origin", "allowed"),
    [
        ("/api/shop/x", APP, b"https://app.example.org"),
        ("/api/shop/x", PARTNER, None),
        ("/partners/x", PARTNER, b"https://partner.example.org"),
        ("/partners/x", APP, None),
        ("/public/x", ANYBODY, b"*"),
        ("/no/such/route", APP, b"https://app.example.org"),
        ("/no/such/route", ANYBODY, None),
    ],
)
def test_pages_of_others_read_by_the_routes_rule(
    own_edge: RunningEdge,
    services: ScriptedServices,
    path: str,
    origin: tuple[bytes, bytes],
    allowed: bytes | None,
) -> None:
    """A route's CORS takes the place of the gateway's; refusals can be read as well."""
    del services
    said = own_edge.get(path, [origin])
    assert said.values(b"access-control-allow-origin") == ([allowed] if allowed else [])


def test_without_a_rule_the_service_decides_who_may_read(
    redis_url: str, services: ScriptedServices, tmp_path: Path
) -> None:
    """The CORS of one route says nothing about another."""
    shop = f"http://127.0.0.1:{services.ports['events']}"
    own = (b"access-control-allow-origin", b"https://of-the-service.example")
    services.on("/plain/x", answer(200, headers=[own]))
    services.on("/ruled/x", answer(200, headers=[own]))
    (tmp_path / "gateline.toml").write_text(
        f'[gateway]\nplatform = false\n[services.shop]\nurl = "{shop}"\n'
        '[[routes]]\npath = "/plain/*"\nservice = "shop"\nauth = "none"\n'
        '[[routes]]\npath = "/ruled/*"\nservice = "shop"\nauth = "none"\n'
        'cors = { origins = ["https://app.example.org"] }\n'
    )
    edge = RunningEdge(tmp_path, edge_environment(redis_url))
    edge.start()
    try:
        assert edge.get("/plain/x", [APP]).values(own[0]) == [own[1]]
        assert edge.get("/ruled/x", [APP]).values(own[0]) == [APP[1]]
        assert edge.get("/ruled/x", [ANYBODY]).values(own[0]) == []
    finally:
        edge.stop()


def test_a_preflight_is_answered_for_the_method_it_announces(
    own_edge: RunningEdge, services: ScriptedServices
) -> None:
    """It needs no session, although the request that follows does."""
    ask = [PARTNER, (b"Access-Control-Request-Method", b"POST")]
    granted = own_edge.ask("OPTIONS", "/partners/x", ask)
    assert granted.status == 204
    assert granted.values(b"access-control-allow-origin") == [b"https://partner.example.org"]
    assert granted.values(b"access-control-max-age") == [b"60"]
    other = own_edge.ask("OPTIONS", "/partners/x", [PARTNER, (ask[1][0], b"DELETE")])
    assert other.status == 401
    assert services.requests == []


def test_a_routes_own_origin_may_use_the_cookie(
    own_edge: RunningEdge, services: ScriptedServices, people: People
) -> None:
    """Whoever may read with credentials may post with them, on that route alone."""
    del services
    cookie = people.log_in().cookie
    cross_site = (b"Sec-Fetch-Site", b"cross-site")
    assert own_edge.ask("POST", "/partners/x", [cookie, PARTNER, cross_site]).status == 200
    assert own_edge.ask("POST", "/partners/x", [cookie, APP, cross_site]).reason == "cross_site"


def test_an_encoded_slash_passes_where_it_may(
    own_edge: RunningEdge, services: ScriptedServices
) -> None:
    """It reaches the service as it was sent; elsewhere it is refused."""
    assert own_edge.get("/files/a%2fb").json() == {"service": "users"}
    assert services.requests[-1].target == b"/files/a%2Fb"
    assert own_edge.get("/api/shop/a%2Fb").reason == "path_not_allowed"


@pytest.mark.parametrize(
    "path", ["/files/private%2Fkeys", "/files/x%2F..%2Fprivate", "/files/%2e%2e%2fadmin"]
)
def test_an_encoded_slash_leads_around_no_route(
    own_edge: RunningEdge, services: ScriptedServices, path: str
) -> None:
    """A service that decodes first would serve what another route guards."""
    assert own_edge.get(path).reason == "path_not_allowed"
    assert services.requests == []


def test_health_tells_the_version(own_edge: RunningEdge, services: ScriptedServices) -> None:
    """The version, its age and its file; a service without /health is well all the same."""
    services.on("/health", b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
    report = own_edge.get("/health").json()
    assert report["config"]["path"] == "gateline.toml"
    assert len(report["config"]["version"]) == 12
    assert report["config"]["age_seconds"] >= 0
    assert report["config"]["refused"] is None
    assert report["upstreams"]["shop"]["status"] == "healthy", json.dumps(report)
    assert report["upstreams"]["auth"]["status"] == "unhealthy"
    assert services.seen("/how-are-you")


def test_a_first_start_refuses_a_wrong_file(tmp_path: Path, redis_url: str) -> None:
    """The message names file, line and field; the exit code is that of a wrong configuration."""
    (tmp_path / "gateline.toml").write_text('[[routes]]\npath = "/x"\nservice = "nobody"\n')
    edge = RunningEdge(tmp_path, edge_environment(redis_url))
    edge.launch()
    assert edge.process is not None
    try:
        assert edge.process.wait(20) == 2
    finally:
        edge.stop()
    assert "gateline.toml:3: routes[1].service" in edge.output
