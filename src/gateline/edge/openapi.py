"""`/openapi.json` at the edge: what every service says of itself, at its public addresses.

The services are asked at most every ten seconds, and only when somebody wants to know. One that is
away leaves what it said last and is named in `x-unavailable`.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from gateline.edge import answers
from gateline.edge.exchange import Exchange
from gateline.edge.upstream import Client, Pool, UpstreamError
from gateline.policy.routes import RouteTable
from gateline.policy.services import Service
from gateline.shared.openapi import PATH
from gateline.shared.openapi.merging import Part, merged

FRESH_SECONDS: Final = 10.0
UNAVAILABLE: Final = "x-unavailable"

_CALL_SECONDS: Final = 2.0
_HEADERS: Final = ((b"content-type", b"application/json"), (b"cache-control", b"no-cache"))
_TEXT: Final = MappingProxyType({"type": "string"})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Process:
    """A process behind the edge, and the names of the services that it is."""

    services: frozenset[str]
    pool: Pool


class Description:
    """The merged document of everything behind the edge."""

    def __init__(
        self,
        client: Client,
        processes: tuple[Process, ...],
        routes: RouteTable,
        services: Mapping[str, Service],
    ) -> None:
        self._client = client
        self._processes = processes
        self._routes = routes
        self._services = services
        self._said: dict[Process, bytes] = {}
        self._away: list[str] = []
        self._text = b""
        self._fresh_until = 0.0
        self._asking: asyncio.Task[None] | None = None

    def follow(
        self,
        processes: tuple[Process, ...],
        routes: RouteTable,
        services: Mapping[str, Service],
    ) -> None:
        """Describe other processes from now on, at other addresses."""
        self._processes = processes
        self._routes = routes
        self._services = services
        self._said = {one: said for one, said in self._said.items() if one in processes}
        self._text = b""
        self._fresh_until = 0.0

    async def show(self, exchange: Exchange) -> None:
        """Answer /openapi.json."""
        await answers.send_whole(exchange, 200, list(_HEADERS), await self.text())

    async def text(self) -> bytes:
        """Return the document as JSON, not older than ten seconds."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._fresh_until:
            if self._asking is None:
                self._asking = asyncio.ensure_future(self._renew())
                self._asking.add_done_callback(self._done)
            await asyncio.shield(self._asking)
        return self._text

    def _done(self, _: "asyncio.Task[None]") -> None:
        self._asking = None

    async def _renew(self) -> None:
        before = dict(self._said), self._away
        processes = self._processes
        heard = await asyncio.gather(*(self._ask(process) for process in processes))
        self._away = sorted(
            name
            for process, answered in zip(processes, heard, strict=True)
            if not answered
            for name in process.services
        )
        if not self._text or before != (self._said, self._away):
            # Putting it together takes tens of milliseconds: no request waits for that.
            self._text = await asyncio.to_thread(self._merged)
        self._fresh_until = asyncio.get_running_loop().time() + FRESH_SECONDS

    async def _ask(self, process: Process) -> bool:
        """Ask one process; tell whether it answered."""
        deadline = asyncio.get_running_loop().time() + _CALL_SECONDS
        try:
            # A body that never ends would be waited for much longer than its head.
            async with asyncio.timeout_at(deadline):
                response = await self._client.send(
                    process.pool, b"GET", PATH.encode(), [], None, deadline=deadline
                )
                body = await response.read()
        except (UpstreamError, TimeoutError) as error:
            _log.info("%s does not describe itself (%s)", process.pool.target, type(error).__name__)
            return False
        if response.status == 200 and _is_document(body):
            self._said[process] = body
        # A service of somebody else's that describes nothing is not away.
        return response.status < 500

    def _merged(self) -> bytes:
        parts = [
            Part(process.services, json.loads(self._said[process]))
            for process in self._processes
            if process in self._said
        ]
        document = merged(parts, self._routes, self._services, own=dict(_OWN_PATHS))
        document[UNAVAILABLE] = self._away
        return json.dumps(document, separators=(",", ":")).encode()


def _is_document(body: bytes) -> bool:
    try:
        found = json.loads(body)
    except ValueError:
        return False
    return isinstance(found, dict) and isinstance(found.get("paths"), dict)


def _own(name: str, summary: str, answered: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the description of something that the edge answers by itself."""
    responses = {
        str(status): {
            "description": "As it is." if status == 200 else "Not now.",
            "content": {"application/json": {"schema": dict(schema)}},
        }
        for status, schema in answered.items()
    }
    return {
        "get": {
            "operationId": f"edge.{name}.get",
            "tags": ["edge"],
            "summary": summary,
            "responses": responses,
            "security": [],
        }
    }


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


_STATE: Final = {"enum": ["connected", "disconnected"]}
_HEALTH: Final = _object(
    status={"enum": ["healthy", "unhealthy"]},
    service={"const": "edge"},
    database=_STATE,
    redis=_STATE,
    timestamp={"type": "string", "format": "date-time"},
    version=dict(_TEXT),
    config=_object(
        version=dict(_TEXT),
        age_seconds={"type": "number"},
        path={"type": ["string", "null"]},
        refused={"type": ["object", "null"]},
    ),
    upstreams={
        "type": "object",
        "additionalProperties": _object(status={"enum": ["healthy", "unhealthy", "unreachable"]}),
    },
)
_READY: Final = _object(status=dict(_TEXT))
_OWN_PATHS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "/health": _own(
            "health", "Tell how everything behind the edge is.", {200: _HEALTH, 503: _HEALTH}
        ),
        "/livez": _own("livez", "Say that the edge answers.", {200: _READY}),
        "/readyz": _own(
            "readyz", "Tell whether requests may be sent here.", {200: _READY, 503: _READY}
        ),
        PATH: _own("openapi", "Describe everything behind the edge.", {200: {"type": "object"}}),
    }
)
