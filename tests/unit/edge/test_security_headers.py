"""Security headers on everything that a real edge answers, once each, the service's word first."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from edge_people import edge_environment
from running_edge import Answer, RunningEdge
from scripted_services import ScriptedServices, answer

FILE = """
[gateway]
trusted_proxies = ["127.0.0.1"]
security_headers = {on}

[services.shop]
url = "{shop}"

[[routes]]
path = "/shop/*"
service = "shop"
auth = "none"

[[routes]]
path = "/kept/*"
service = "shop"
auth = "none"
cache = {{ default = "1m" }}

[[routes]]
path = "/framed/*"
service = "shop"
auth = "none"
response_headers = {{ remove = ["X-Frame-Options"], set = {{ Referrer-Policy = "origin" }} }}

[[routes]]
path = "/mine/*"
service = "shop"

[[routes]]
path = "/old/*"
redirect = "/shop/{{path}}"
"""
HTTPS = (b"X-Forwarded-Proto", b"https")
NOSNIFF, REFERRER, FRAMES, TRANSPORT = NAMES = (
    b"x-content-type-options",
    b"referrer-policy",
    b"x-frame-options",
    b"strict-transport-security",
)
DEFAULTS = {
    NOSNIFF: [b"nosniff"],
    REFERRER: [b"strict-origin-when-cross-origin"],
    FRAMES: [b"SAMEORIGIN"],
    TRANSPORT: [],
}
NOTHING: dict[bytes, list[bytes]] = {name: [] for name in NAMES}


def _running(folder: Path, redis_url: str, services: ScriptedServices, on: str) -> RunningEdge:
    shop = f"http://127.0.0.1:{services.ports['events']}"
    (folder / "gateline.toml").write_text(FILE.format(shop=shop, on=on))
    running = RunningEdge(folder, edge_environment(redis_url) | services.environment)
    running.start()
    return running


@pytest.fixture(scope="module")
def gate(
    every_service: ScriptedServices, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningEdge]:
    """Run an edge that adds them, once."""
    running = _running(tmp_path_factory.mktemp("strict"), redis_url, every_service, "true")
    yield running
    running.stop()


def said(got: Answer) -> dict[bytes, list[bytes]]:
    """Return the security headers of an answer."""
    return {name: got.values(name) for name in NAMES}


def test_every_kind_of_answer_carries_them(gate: RunningEdge, services: ScriptedServices) -> None:
    """A service's own, one from the cache, a streamed one, redirect, refusals, health."""
    services.on("/shop/a", answer(200, b"a"))
    services.on("/kept/a", answer(200, b"kept"))
    chunks = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
    services.on("/shop/long", chunks)
    services.on("/shop/none", answer(204))
    for target, status in (
        ("/shop/a", 200),
        ("/kept/a", 200),
        ("/kept/a", 200),
        ("/shop/long", 200),
        ("/shop/none", 204),
        ("/old/a", 308),
        ("/mine/a", 401),
        ("/api/v1/nothing", 404),
        ("/shop/%00", 400),
        ("/livez", 200),
    ):
        got = gate.get(target)
        assert (got.status, said(got)) == (status, DEFAULTS), target
    assert len(services.seen("/kept/a")) == 1
    assert said(gate.get("/health")) == DEFAULTS


def test_https_is_said_to_stay(gate: RunningEdge, services: ScriptedServices) -> None:
    """Strict-Transport-Security goes to clients that came by https, through a load balancer too."""
    services.on("/shop/a", answer(200, b"a"))
    for target in ("/shop/a", "/api/v1/nothing"):
        assert gate.get(target, [HTTPS]).values(TRANSPORT) == [b"max-age=31536000"]


def test_a_services_word_stands(gate: RunningEdge, services: ScriptedServices) -> None:
    """In every spelling, and no header comes twice."""
    own = [
        (b"X-CONTENT-TYPE-OPTIONS", b"none"),
        (b"Referrer-Policy", b"no-referrer"),
        (b"X-Frame-Options", b"DENY"),
        (b"strict-transport-security", b"max-age=1"),
    ]
    services.on("/shop/own", answer(200, b"a", own))
    got = said(gate.get("/shop/own", [HTTPS]))
    assert got == {name.lower(): [value] for name, value in own}


def test_who_may_frame_is_said_once(gate: RunningEdge, services: ScriptedServices) -> None:
    """A policy with frame-ancestors is the newer word for the same."""
    policy = (b"Content-Security-Policy", b"default-src 'self'; frame-ancestors https://a.example")
    services.on("/shop/framed", answer(200, b"a", [policy]))
    assert said(gate.get("/shop/framed")) == {**DEFAULTS, FRAMES: []}


def test_a_routes_word_stands(gate: RunningEdge, services: ScriptedServices) -> None:
    """What it removes does not come back, what it sets is not said again."""
    services.on("/framed/a", answer(200, b"a", [(b"X-Frame-Options", b"DENY")]))
    got = said(gate.get("/framed/a"))
    assert got == {**DEFAULTS, FRAMES: [], REFERRER: [b"origin"]}


def test_an_unchanged_answer_gets_none(gate: RunningEdge, services: ScriptedServices) -> None:
    """A client would put them in the place of what it has stored."""
    services.on("/shop/same", answer(304, b"", [(b"ETag", b'"a"')]))
    got = gate.get("/shop/same", [(b"If-None-Match", b'"a"')])
    assert (got.status, said(got)) == (304, NOTHING)


def test_they_may_be_left_to_the_services(
    every_service: ScriptedServices,
    services: ScriptedServices,
    redis_url: str,
    tmp_path: Path,
) -> None:
    """Then the edge passes on what they say, and says nothing itself."""
    services.on("/shop/a", answer(200, b"a", [(b"X-Frame-Options", b"DENY")]))
    running = _running(tmp_path, redis_url, every_service, "false")
    try:
        assert said(running.get("/shop/a", [HTTPS])) == {
            **NOTHING,
            FRAMES: [b"DENY"],
        }
        assert said(running.get("/api/v1/nothing", [HTTPS])) == NOTHING
    finally:
        running.stop()
