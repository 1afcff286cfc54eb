"""What a gateway is told to do: one immutable plan, whoever wrote it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateline.policy.clients import Network
from gateline.policy.cors import CorsPolicy
from gateline.policy.credentials import ApiKey, Issuer
from gateline.policy.gcra import LimitRule
from gateline.policy.routes import Route
from gateline.policy.services import RetryBudget, Service
from gateline.shared.gateway.problems import FileProblem

BUILT_IN: Final = "built-in"
"""The version of the plan without a file."""

MOST_HEADERS: Final = 100
"""Of a request, unless the file says otherwise; over HTTP/1.1 the server itself takes no more."""

_BUDGET: Final = RetryBudget()


@dataclass(frozen=True, slots=True)
class EdgeTls:
    """The certificate chain and key (absolute paths of PEM files) with which the edge listens."""

    certificate: Path
    key: Path
    http2: bool = True


@dataclass(frozen=True, slots=True)
class GatewayPlan:
    """Everything that a gateway decides by; `services` and `routes` include the platform's.

    `path` is the file that it was read from, `version` 12 hex digits of its SHA-256, or
    `built-in`. `default_limits` are those of the routes that the file says nothing of limits for.
    `problems` are warnings.
    """

    path: Path | None
    version: str
    services: Mapping[str, Service]
    routes: tuple[Route, ...]
    allowed_hosts: tuple[str, ...]
    cors: CorsPolicy
    trusted_proxies: tuple[Network, ...]
    max_body_bytes: int
    retry_budget: RetryBudget = _BUDGET
    tls: EdgeTls | None = None
    issuers: tuple[Issuer, ...] = ()
    api_keys: tuple[ApiKey, ...] = ()
    platform: bool = True
    samples: bool = True
    default_limits: tuple[LimitRule, ...] = ()
    max_header_count: int = MOST_HEADERS
    server_timing: bool = False
    access_log: bool = True
    security_headers: bool = True
    problems: tuple[FileProblem, ...] = ()
