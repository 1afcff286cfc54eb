"""The edge's OpenAPI document: of all services, kept while one is away, asked for rarely."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from openapi_spec_validator import validate
from scripted_services import ScriptedServices, answer, cut

from gateline.edge.openapi import Description, Process
from gateline.edge.upstream import Client, Target
from gateline.policy.routes import Destination, Route, RouteTable
from gateline.policy.services import Service, endpoints_at

NAMES = ("api", "web")
ROUTES = RouteTable(
    [
        Route("orders", "/orders/*", Destination("api"), auth="none"),
        Route("pages", "/*", Destination("web"), auth="optional"),
    ]
)
SERVICES = {name: Service(name, endpoints_at("http://here")) for name in NAMES}
Use = Callable[[Description], Awaitable[None]]


def saying(*paths: str) -> Any:
    """Return an answer that describes these paths."""
    found = {
        path: {
            "get": {"operationId": path, "summary": "", "responses": {"200": {"description": ""}}}
        }
        for path in paths
    }
    return answer(200, json.dumps({"info": {"title": "t"}, "paths": found}).encode())


def use(services: ScriptedServices, work: Use) -> None:
    """Run some work with a description of the scripted services."""

    async def run() -> None:
        client = Client()
        processes = tuple(
            Process(
                frozenset({name}),
                client.pool(Target.parse(f"http://127.0.0.1:{services.ports[name]}")),
            )
            for name in NAMES
        )
        try:
            await work(Description(client, processes, ROUTES, SERVICES))
        finally:
            await client.aclose()

    asyncio.run(run())


async def read(description: Description, *, again: bool = False) -> dict[str, Any]:
    """Return the document; `again` as if ten seconds had passed."""
    if again:
        description._fresh_until = 0.0
    document: dict[str, Any] = json.loads(await description.text())
    return document


def test_all_services_are_in_one_document(services: ScriptedServices) -> None:
    """Each path comes from the service that the edge routes it to, the edge's own besides."""
    services.on("/openapi.json", saying("/orders", "/page", "/health"))

    async def work(description: Description) -> None:
        document = await read(description)
        validate(document)
        assert set(document["paths"]) == {
            *("/orders", "/page", "/health", "/livez", "/readyz", "/openapi.json"),
        }
        assert document["paths"]["/health"]["get"]["operationId"] == "edge.health.get"
        assert document["x-unavailable"] == []

    use(services, work)


def test_a_service_that_is_away_leaves_its_last_word(services: ScriptedServices) -> None:
    """What it said stays in the document, which says that it is away."""
    services.on("/openapi.json", saying("/orders", "/page"))

    async def work(description: Description) -> None:
        before = await read(description)
        services.clear()
        services.on("/openapi.json", cut())
        after = await read(description, again=True)
        assert after["paths"] == before["paths"]
        assert after["x-unavailable"] == ["api", "web"]

    use(services, work)


def test_services_are_asked_once_in_a_while(services: ScriptedServices) -> None:
    """Many readers at once and soon after cost one question to each service."""
    services.on("/openapi.json", saying("/page"))

    async def work(description: Description) -> None:
        await asyncio.gather(*(description.text() for _ in range(20)))
        await description.text()

    use(services, work)
    assert len([one for one in services.requests if one.path == "/openapi.json"]) == len(NAMES)


def test_rubbish_is_no_description(services: ScriptedServices) -> None:
    """A service that answers with something else adds nothing and spoils nothing."""
    services.on("/openapi.json", answer(200, b"<html>"))

    async def work(description: Description) -> None:
        assert set((await read(description))["paths"]) == {
            *("/health", "/livez", "/readyz", "/openapi.json"),
        }

    use(services, work)
