"""How every service is, asked at the same time and remembered for a moment."""

import json
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from gateline.policy.retries import RetryPolicy
from gateline.policy.services import Service
from gateline.shared.errors import ApiError
from gateline.shared.stamps import Stamp, stamp
from gateline.shared.upstream import Answer, Call, Upstream
from gateline.web.admin_schemas import ServiceState

PROBE_SECONDS: Final = 1.5
FRESH_SECONDS: Final = 2.0

_ONCE: Final = RetryPolicy(attempts=1)
_HEALTH: Final = Call("GET", "/health", (("Accept", "application/json"),))
_TOLD: Final = ("database", "redis", "version")
_OK: Final = 200
_SERVER_ERROR: Final = 500


class Asked(Protocol):
    """A service that can be asked."""

    def call(self, call: Call, *, timeout: float | None = None) -> Answer:
        """Return its answer or raise ApiError."""

    def close(self) -> None:
        """Close the connections."""


@dataclass(frozen=True, slots=True)
class _Question:
    """Whom to ask what; a status of `ill_from` or more is no good answer."""

    upstream: Asked
    call: Call
    ill_from: int


class ServiceStates:
    """Asks each address once, however many services it serves; at most every `FRESH_SECONDS`.

    A service in `strangers` did not promise a health endpoint: it is well when it answers its
    health check, else `/health`, with anything but an error of its own. `clock` and `upstream` are
    what a test replaces.
    """

    def __init__(
        self,
        services: Iterable[Service],
        *,
        strangers: Collection[str] = (),
        upstream: Callable[[Service], Asked] = Upstream,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        addressed = {service.name: service for service in services if service.urls}
        self._urls = {name: service.urls for name, service in addressed.items()}
        by_urls = {service.urls: service for service in addressed.values()}
        self._asked = {
            urls: _Question(
                upstream(replace(service, prefix="", retry=_ONCE)),
                _HEALTH if service.probe is None else replace(_HEALTH, target=service.probe.path),
                _SERVER_ERROR if service.name in strangers else _OK + 1,
            )
            for urls, service in by_urls.items()
        }
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[float, list[ServiceState]] | None = None

    def read(self) -> list[ServiceState]:
        """Return the state of every service, by name; those who come meanwhile wait for it."""
        with self._lock:
            now = self._clock()
            if self._known is None or now - self._known[0] >= FRESH_SECONDS:
                self._known = (now, self._ask_all())
            return self._known[1]

    def close(self) -> None:
        """Close the connections."""
        for one in self._asked.values():
            one.upstream.close()

    def _ask_all(self) -> list[ServiceState]:
        if not self._asked:
            return []
        with ThreadPoolExecutor(len(self._asked), thread_name_prefix="health") as pool:
            answers = dict(zip(self._asked, pool.map(_ask, self._asked.values()), strict=True))
        return [
            ServiceState(name=name, **answers[urls]) for name, urls in sorted(self._urls.items())
        ]


class FollowedStates:
    """The states of the services that some files name, asked anew when one of them has changed.

    `make` returns what asks those that they name now, None while they are wrong: then it stays with
    those before.
    """

    def __init__(self, make: Callable[[], ServiceStates | None], files: Collection[Path]) -> None:
        self._make = make
        self._files = files
        self._lock = threading.Lock()
        self._seen = self._stamps()
        self._states = make() or ServiceStates(())

    def read(self) -> list[ServiceState]:
        """Return the state of every service, by name."""
        with self._lock:
            seen = self._stamps()
            if seen != self._seen:
                self._seen = seen
                self._follow()
            return self._states.read()

    def close(self) -> None:
        """Close the connections."""
        self._states.close()

    def _follow(self) -> None:
        states = self._make()
        if states is not None:
            self._states.close()
            self._states = states

    def _stamps(self) -> list[Stamp]:
        return [stamp(file) for file in self._files]


def _ask(question: _Question) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        answer = question.upstream.call(question.call, timeout=PROBE_SECONDS)
    except ApiError:
        return {"status": "unreachable"}
    milliseconds = round((time.perf_counter() - started) * 1000, 1)
    status = "healthy" if _OK <= answer.status < question.ill_from else "unhealthy"
    return {"status": status, "latency_ms": milliseconds, **_told(answer.body)}


def _told(body: object) -> dict[str, str]:
    """Return what a service says of itself, as far as it is of the promised shape."""
    try:
        found = json.loads(body) if isinstance(body, bytes) else None
    except ValueError:
        found = None
    if not isinstance(found, Mapping):
        return {}
    return {name: found[name] for name in _TOLD if isinstance(found.get(name), str)}
