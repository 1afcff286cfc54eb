"""The edge's own health: its parts by name, bounded in time, asked for rarely."""

import asyncio
import threading
import time
from typing import Any

import pytest
from edge_exchange import Answered, exchange_for
from edge_people import People
from running_edge import RunningEdge
from scripted_services import Behaviour, ScriptedServices, Visit, answer, cut, hang

from gateline.edge.health import Asked, Health
from gateline.edge.upstream import Client, Target
from gateline.shared import kv

HEALTHY = answer(200, b'{"status":"healthy","database":"connected","redis":"connected"}')
ENDLESS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n"


async def stuck_in_the_body(visit: Visit) -> None:
    """Begin an answer and never end it."""
    await visit.send(ENDLESS)
    await visit.until_gone()


def report_of(services: ScriptedServices, people: People, *names: str) -> dict[str, Any]:
    """Ask the scripted services for their health, in this process."""

    async def ask() -> dict[str, Any]:
        client, store = Client(), kv.connect_async(people.settings)
        pools = {
            name: Asked(
                (client.pool(Target.parse(f"http://127.0.0.1:{services.ports.get(name, 1)}")),)
            )
            for name in names
        }
        report = await Health(client, pools, store, auth="auth").report()
        await client.aclose()
        await store.aclose()
        return report

    return asyncio.run(ask())


def test_each_service_is_named(services: ScriptedServices, people: People) -> None:
    """All well: every part says so, and the database's state is the one auth knows."""
    services.on("/health", HEALTHY)
    report = report_of(services, people, "auth", "web")
    assert (report["status"], report["service"]) == ("healthy", "edge")
    assert (report["database"], report["redis"]) == ("connected", "connected")
    assert set(report["upstreams"]) == {"auth", "web"}
    assert report["upstreams"]["web"]["status"] == "healthy"
    assert report["upstreams"]["web"]["latency_ms"] >= 0


@pytest.mark.parametrize(
    ("behaviour", "status", "reason"),
    [
        (answer(503, b'{"status":"unhealthy","database":"disconnected"}'), "unhealthy", None),
        (answer(200, b"not json"), "healthy", None),
        (answer(200, b"[1]"), "healthy", None),
        (cut(), "unreachable", "upstream_broken"),
        (cut(b"rubbish\r\n\r\n"), "unreachable", "upstream_invalid"),
        (hang, "unreachable", "upstream_timeout"),
        (stuck_in_the_body, "unreachable", "upstream_timeout"),
    ],
)
def test_a_sick_service_is_told_apart(
    services: ScriptedServices,
    people: People,
    behaviour: Behaviour,
    status: str,
    reason: str | None,
) -> None:
    """What is wrong with a service is said by name, within little more than a second."""
    services.on("/health", behaviour)
    started = time.monotonic()
    report = report_of(services, people, "auth")
    assert time.monotonic() - started < 2.0
    assert report["upstreams"]["auth"]["status"] == status
    assert report["upstreams"]["auth"].get("reason") == reason
    assert report["status"] == ("healthy" if status == "healthy" else "unhealthy")


def test_a_service_that_is_not_there(services: ScriptedServices, people: People) -> None:
    """A refused connection is unreachable; the database is unknown, so not connected."""
    report = report_of(services, people, "nowhere")
    assert report["upstreams"]["nowhere"] == {
        "status": "unreachable",
        "reason": "upstream_refused",
    }
    assert report["database"] == "disconnected"


def test_a_crowd_asks_once_a_second(edge: RunningEdge, services: ScriptedServices) -> None:
    """Health checks of many do not become load for the services."""
    services.on("/health", HEALTHY)
    threads = [threading.Thread(target=edge.get, args=("/health",)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([one for one in services.seen("/health") if one.service == "auth"]) <= 2


def test_health_over_http(refusing_edge: RunningEdge) -> None:
    """With every service away /health is 503 and names them; /livez and /readyz are well."""
    got = refusing_edge.get("/health")
    assert got.status == 503
    assert got.values(b"cache-control") == [b"no-store"]
    upstreams = got.json()["upstreams"]
    assert {"auth", "web", "doctors", "patients", "institutions", "admins"} <= set(upstreams)
    assert {one["status"] for one in upstreams.values()} == {"unreachable"}
    assert refusing_edge.get("/readyz").json() == {"status": "ready"}
    assert refusing_edge.get("/livez").json() == {"status": "alive"}


def test_no_request_is_wanted_while_draining(people: People) -> None:
    """/readyz says so before the server stops taking connections."""

    async def scenario() -> None:
        answered, store = Answered(), kv.connect_async(people.settings)
        health = Health(Client(), {}, store, auth="auth")
        health.draining = True
        await health.ready(exchange_for(answered))
        assert (answered.status, answered.body) == (503, b'{"status":"draining"}')
        await store.aclose()

    asyncio.run(scenario())
