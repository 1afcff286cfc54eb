"""The services' OpenAPI documents as one, asked for now and then and kept while a service is away.

Each service tells its own part at `/openapi.json`, wherever it runs, so the page is the same with
an edge and without one.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from gateline.policy.services import Service
from gateline.shared.errors import ApiError
from gateline.shared.proxy_service import ProxyService
from gateline.web.reference.schemas import Json

_LOG: Final = logging.getLogger(__name__)
FRESH_SECONDS: Final = 30.0
_CALL_SECONDS: Final = 2.0
_PATH: Final = "/openapi.json"

Fetch = Callable[[str], Any]
"""Return the document of the service of this name, or raise ApiError."""

Merge = Callable[[Mapping[str, Json]], Json]
"""Return the documents of all services, by name, as one."""


class Documents:
    """The parts that the services last told."""

    def __init__(
        self,
        names: Iterable[str],
        fetch: Fetch,
        merge: Merge,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts: dict[str, Json | None] = dict.fromkeys(names)
        self._fetch = fetch
        self._merge = merge
        self._clock = clock
        self._fresh_until = float("-inf")
        self._merged: dict[str, Json] = {}
        self._whole: Json = {}
        self._lock = threading.Lock()

    def whole(self) -> Json:
        """Return all parts as one document; it is empty while nobody has told anything.

        It is the same object for as long as everybody tells the same.
        """
        with self._lock:
            if self._clock() >= self._fresh_until:
                self._ask_everybody()
                told = {name: part for name, part in self._parts.items() if part is not None}
                if told != self._merged:
                    self._whole, self._merged = self._merge(told), told
                self._fresh_until = self._clock() + FRESH_SECONDS
            return self._whole

    @property
    def silent(self) -> list[str]:
        """The services that have not told theirs yet."""
        return [name for name, part in self._parts.items() if part is None]

    def _ask_everybody(self) -> None:
        for name in self._parts:
            try:
                told = self._fetch(name)
            except ApiError as failure:
                _LOG.info("%s does not tell its API (%s)", name, failure.reason.code)
                continue
            if isinstance(told, Mapping) and isinstance(told.get("paths"), Mapping):
                self._parts[name] = told


def processes(services: Mapping[str, Service]) -> dict[str, tuple[Service, frozenset[str]]]:
    """Return what to ask: each address once, by its first name, with all names that it has.

    The documents lie outside the prefix that a service's API has.
    """
    names: dict[tuple[str, ...], list[str]] = {}
    for name, service in services.items():
        if service.urls:
            names.setdefault(service.urls, []).append(name)
    return {
        found[0]: (replace(services[found[0]], prefix=""), frozenset(found))
        for found in names.values()
    }


def fetch_by(proxy: ProxyService) -> Fetch:
    """Return a fetch that asks the services over HTTP."""

    def fetch(name: str) -> Any:
        answer = proxy.request("GET", name, _PATH, timeout=_CALL_SECONDS)
        return answer.get_json(silent=True) if answer.status_code == 200 else None

    return fetch
