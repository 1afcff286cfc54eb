"""The edge's own answers: is it alive, is it ready, and how are the parts behind it."""

import asyncio
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, Final, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateline import __version__
from gateline.edge import answers
from gateline.edge.exchange import Exchange
from gateline.edge.upstream import Client, Pool, UpstreamError, UpstreamTimeout
from gateline.policy.headers import Headers

_PROBE_SECONDS: Final = 1.0
_FRESH_SECONDS: Final = 1.0
_NO_STORE: Final[Headers] = [(b"cache-control", b"no-store")]
_log = logging.getLogger(__name__)


class Health:
    """Asks the store and every service how they are, at most once a second.

    `services` are the pools to ask for `/health`, by service name; `auth` names the one whose
    word on the database counts, for the edge itself has no connection to it.
    """

    def __init__(
        self, client: Client, services: Mapping[str, Pool], kv: "Redis", *, auth: str
    ) -> None:
        self._client = client
        self._services = services
        self._kv = kv
        self._auth = auth
        self._report: dict[str, Any] = {}
        self._fresh_until = 0.0
        self._asking: asyncio.Task[dict[str, Any]] | None = None
        self.draining = False

    async def live(self, exchange: Exchange) -> None:
        """Answer /livez: this process serves."""
        await answers.send_json(exchange, 200, {"status": "alive"}, list(_NO_STORE))

    async def ready(self, exchange: Exchange) -> None:
        """Answer /readyz: requests may be sent here. Not while draining or without the store."""
        ready = not self.draining and await self._store_answers()
        status = "ready" if ready else "draining" if self.draining else "session store away"
        await answers.send_json(
            exchange, 200 if ready else 503, {"status": status}, list(_NO_STORE)
        )

    async def health(self, exchange: Exchange) -> None:
        """Answer /health: the documented fields, and each upstream by name."""
        report = await self.report()
        status = 200 if report["status"] == "healthy" else 503
        await answers.send_json(exchange, status, report, list(_NO_STORE))

    async def report(self) -> dict[str, Any]:
        """Return the state of everything behind the edge, not older than a second."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._fresh_until:
            return self._report
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._ask_all())
            self._asking.add_done_callback(self._keep)
        return await asyncio.shield(self._asking)

    def _keep(self, task: "asyncio.Task[dict[str, Any]]") -> None:
        self._asking = None
        if not task.cancelled() and task.exception() is None:
            self._report = task.result()
            self._fresh_until = asyncio.get_running_loop().time() + _FRESH_SECONDS

    async def _ask_all(self) -> dict[str, Any]:
        names = list(self._services)
        store, *states = await asyncio.gather(
            self._store_answers(), *(self._ask(self._services[name]) for name in names)
        )
        upstreams = dict(zip(names, states, strict=True))
        healthy = store and all(state["status"] == "healthy" for state in states)
        return {
            "status": "healthy" if healthy else "unhealthy",
            "service": "edge",
            "database": upstreams.get(self._auth, {}).get("database", "disconnected"),
            "redis": "connected" if store else "disconnected",
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "version": __version__,
            "upstreams": upstreams,
        }

    async def _ask(self, pool: Pool) -> dict[str, Any]:
        asked = perf_counter()
        deadline = asyncio.get_running_loop().time() + _PROBE_SECONDS
        try:
            async with asyncio.timeout_at(deadline):  # the deadline of `send` ends with the head
                response = await self._client.send(
                    pool, b"GET", b"/health", [], None, deadline=deadline
                )
                content = await response.read()
            found = json.loads(content)
        except UpstreamError as error:
            return {"status": "unreachable", "reason": error.reason}
        except TimeoutError:
            return {"status": "unreachable", "reason": UpstreamTimeout.reason}
        except ValueError:
            found = {}
        state: dict[str, Any] = {
            "status": "healthy" if response.status == 200 else "unhealthy",
            "latency_ms": round((perf_counter() - asked) * 1000, 1),
        }
        if isinstance(found, dict):
            state |= {key: found[key] for key in ("database", "redis") if key in found}
        return state

    async def _store_answers(self) -> bool:
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                return bool(await cast("Any", self._kv.ping()))
        except (RedisError, OSError, TimeoutError):
            return False
