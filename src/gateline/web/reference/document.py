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

from gateline.policy.routes import Service
from gateline.shared.errors import ApiError
from gateline.shared.proxy_service import ProxyService
from gateline.web.reference.schemas import Json

_LOG: Final = logging.getLogger(__name__)
FRESH_SECONDS: Final = 30.0
_CALL_SECONDS: Final = 2.0
_PATH: Final = "/openapi.json"

Fetch = Callable[[str], Any]
"""Return the document of the service of this name, or raise ApiError."""


class Documents:
    """The parts that the services last told."""

    def __init__(
        self, names: Iterable[str], fetch: Fetch, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._parts: dict[str, Json | None] = dict.fromkeys(names)
        self._fetch = fetch
        self._clock = clock
        self._fresh_until = float("-inf")
        self._whole: Json = {}
        self._lock = threading.Lock()

    def whole(self) -> Json:
        """Return all parts as one document; it is empty while nobody has told anything."""
        with self._lock:
            if self._clock() >= self._fresh_until:
                self._ask_everybody()
                self._whole = merged([part for part in self._parts.values() if part])
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


def merged(parts: Iterable[Json]) -> Json:
    """Return one document of several; what two parts both have is taken from the first."""
    whole: dict[str, Any] = {"paths": {}, "components": {}, "tags": []}
    for part in parts:
        for key, value in part.items():
            whole.setdefault(key, value)
        for path, item in part["paths"].items():
            whole["paths"][path] = {**item, **whole["paths"].get(path, {})}
        for kind, found in (part.get("components") or {}).items():
            whole["components"][kind] = {**found, **whole["components"].get(kind, {})}
        known = {tag.get("name") for tag in whole["tags"]}
        whole["tags"] += [tag for tag in part.get("tags") or () if tag.get("name") not in known]
    return whole


def services_that_tell(services: Mapping[str, Service]) -> dict[str, Service]:
    """Return the services to ask, each address once and without the prefix of its API."""
    by_address: dict[tuple[str, ...], Service] = {}
    for service in services.values():
        if service.urls:
            by_address.setdefault(service.urls, replace(service, prefix=""))
    return {service.name: service for service in by_address.values()}


def fetch_by(proxy: ProxyService) -> Fetch:
    """Return a fetch that asks the services over HTTP."""

    def fetch(name: str) -> Any:
        answer = proxy.request("GET", name, _PATH, timeout=_CALL_SECONDS)
        return answer.get_json(silent=True) if answer.status_code == 200 else None

    return fetch
