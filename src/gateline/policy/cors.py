"""Which pages of other origins may read our answers (Fetch standard, CORS protocol)."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

_NAMES: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, \t-]{0,1024}")
_METHOD: Final = re.compile(r"[A-Z]{1,16}")


EXPOSED_HEADERS: Final = (
    "ETag",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-ID",
)
"""What the platform's own answers carry for code to read, beyond what browsers always show."""


@dataclass(frozen=True, slots=True)
class CorsPolicy:
    """Origins that may call with credentials; `*` alone allows any, without credentials.

    `expose` are the response headers that their code may read, `max_age` the seconds for which a
    browser may remember a preflight. `methods` is what a preflight is told. `headers` (lower case)
    are the request headers that are allowed, None whatever is asked for. Without `credentials`
    exact origins may call, but not with cookies.
    """

    origins: frozenset[str] = frozenset()
    expose: tuple[str, ...] = EXPOSED_HEADERS
    max_age: int = 600
    methods: Collection[str] = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
    headers: frozenset[str] | None = None
    credentials: bool = True

    @property
    def any_origin(self) -> bool:
        """Tell whether every origin may read, none with credentials."""
        return "*" in self.origins


def answer_headers(policy: CorsPolicy, origin: str) -> list[tuple[str, str]]:
    """Return the headers of an answer to a page of `origin`: none but Vary when it may not read."""
    headers = _grant(policy, origin)
    if headers and policy.expose:
        headers.append(("Access-Control-Expose-Headers", ", ".join(policy.expose)))
    return [*headers, *_vary(policy)]


def preflight_headers(
    policy: CorsPolicy, origin: str, *, method: str, names: str | None
) -> list[tuple[str, str]] | None:
    """Return the headers that grant a preflight, None when the origin may not ask.

    `method` and `names` are Access-Control-Request-Method and -Headers. Unless the policy lists
    headers, the requested names are allowed as they are asked for: which origin asks decides.
    """
    headers = _grant(policy, origin)
    if not headers or not _METHOD.fullmatch(method) or method not in policy.methods:
        return None
    headers.append(("Access-Control-Allow-Methods", ", ".join(sorted(policy.methods))))
    if policy.headers is not None:
        headers.append(("Access-Control-Allow-Headers", ", ".join(sorted(policy.headers))))
    elif names and _NAMES.fullmatch(names):
        headers.append(("Access-Control-Allow-Headers", names))
    headers.append(("Access-Control-Max-Age", str(policy.max_age)))
    return [*headers, *_vary(policy)]


def _grant(policy: CorsPolicy, origin: str) -> list[tuple[str, str]]:
    if origin in policy.origins and not policy.any_origin:
        granted = [("Access-Control-Allow-Origin", origin)]
        if policy.credentials:
            granted.append(("Access-Control-Allow-Credentials", "true"))
        return granted
    return [("Access-Control-Allow-Origin", "*")] if policy.any_origin else []


def _vary(policy: CorsPolicy) -> list[tuple[str, str]]:
    return [] if policy.any_origin else [("Vary", "Origin")]
