"""The edge's own answers: is it alive, is it ready, and how are the parts behind it."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom to ask how a service is, and for which path.

    `ours` are the platform's services, which say 200 when they are well. Of anybody else's, every
    answer that is no server error shows that it is there.
    """

    pools: tuple[Pool, ...]
    path: bytes = b"/health"
    ours: bool = True

    def is_well(self, status: int) -> bool:
        """Tell whether this status means that the service is well."""
        return status == 200 if self.ours else status < 500


class Health:
    """Asks the store and every service how they are, at most once a second.

    `services` are asked, by name; assign others when the gateway changes. `auth` names the one
    whose word on the database counts, for the edge itself has no connection to it.
    `configuration` tells the version that serves.
    """

    def __init__(
        self, client: Client, services: Mapping[str, Asked], kv: "Redis", *, auth: str
    ) -> None:
        self._client = client
        self.services = services
        self.configuration: Callable[[], dict[str, Any]] = dict
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
        report = {**await self.report(), "config": self.configuration()}
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
        services = dict(self.services)
        store, *states = await asyncio.gather(
            self._store_answers(), *(self._ask_service(asked) for asked in services.values())
        )
        upstreams = dict(zip(services, states, strict=True))
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

    async def _ask_service(self, asked: Asked) -> dict[str, Any]:
        """Ask every target; one that is well is enough for the service to be."""
        states = await asyncio.gather(*(self._ask(pool, asked) for pool in asked.pools))
        best = next((state for state in states if state["status"] == "healthy"), states[0])
        if len(states) == 1:
            return best
        targets = {
            str(pool.target): state["status"]
            for pool, state in zip(asked.pools, states, strict=True)
        }
        return {**best, "targets": targets}

    async def _ask(self, pool: Pool, asked: Asked) -> dict[str, Any]:
        since = perf_counter()
        deadline = asyncio.get_running_loop().time() + _PROBE_SECONDS
        try:
            async with asyncio.timeout_at(deadline):  # the deadline of `send` ends with the head
                response = await self._client.send(
                    pool, b"GET", asked.path, [], None, deadline=deadline
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
            "status": "healthy" if asked.is_well(response.status) else "unhealthy",
            "latency_ms": round((perf_counter() - since) * 1000, 1),
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
