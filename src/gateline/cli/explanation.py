"""What is told of a request that is explained."""

from dataclasses import dataclass, field
from typing import Any

from gateline.cli.callers import Caller
from gateline.cli.candidates import Candidate
from gateline.policy.headers import Headers
from gateline.policy.routes import Route


@dataclass(frozen=True, slots=True)
class Asked:
    """The request: `target` is path and query as on the wire, `client` the peer's address."""

    method: str
    target: str
    headers: Headers
    client: str
    scheme: str
    caller: Caller


@dataclass(frozen=True, slots=True)
class Step:
    """What one phase says; `passed` None when it had nothing to decide."""

    phase: str
    passed: bool | None
    text: str


@dataclass(slots=True)
class Explanation:
    """The way of a request. `verdict` is the end of it in words, `reason` that of a refusal.

    `status` is what the edge itself would answer, None when a service answers. `forwarded` has
    method, path and headers as they would go to `service`.
    """

    steps: list[Step] = field(default_factory=list)
    others: list[Candidate] = field(default_factory=list)
    route: Route | None = None
    verdict: str = ""
    status: int | None = None
    reason: str | None = None
    service: str | None = None
    forwarded: dict[str, Any] | None = None
