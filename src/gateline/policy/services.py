"""What an upstream is: where it is reached, how patiently, and what happens when it fails."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from gateline.policy.retries import RetryPolicy

Balance = Literal["least_requests", "round_robin", "hash"]
Protocol = Literal["http1", "http2"]

_THREE_ATTEMPTS: Final = RetryPolicy()


def _no_variables() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of a service: `http://`, `https://` or `unix:///path/to.sock`.

    `weight` is its share of the requests in proportion to the others; 0 gets no new ones.
    """

    url: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """How an `https://` endpoint is believed and how we show who we are; paths of PEM files.

    Without `ca_file` the system's authorities count. `server_name` is asked for and verified
    instead of the address's host.
    """

    verify: bool = True
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """Stop asking a service of whose requests too large a share fails.

    Opens when at least `least_requests` of the last `window_seconds` were answered and
    `error_share` of them failed; after `open_seconds` a single probe decides.
    """

    error_share: float = 0.5
    least_requests: int = 20
    window_seconds: float = 10.0
    open_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class EjectionPolicy:
    """Leave out one endpoint that fails, never more than `most_share` of them at once.

    After `consecutive_failures` it is left out for `base_seconds`, each time longer up to
    `most_seconds`; back, it gets its full share again over `slow_start_seconds`.
    """

    consecutive_failures: int = 5
    base_seconds: float = 10.0
    most_seconds: float = 300.0
    most_share: float = 0.5
    slow_start_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class ProbePolicy:
    """Ask every endpoint for `path` each `interval` seconds, giving it `timeout` seconds.

    `unhealthy` failures in a row leave it out, `healthy` good answers (2xx, 3xx) bring it back.
    """

    path: str = "/livez"
    interval: float = 5.0
    timeout: float = 2.0
    healthy: int = 2
    unhealthy: int = 3


@dataclass(frozen=True, slots=True)
class ConcurrencyPolicy:
    """At most `limit` requests at once in one worker; `queue` more wait up to `wait_seconds`."""

    limit: int
    queue: int = 0
    wait_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """At most `share` of the active requests are retries, but `least` always may be."""

    share: float = 0.2
    least: int = 3


@dataclass(frozen=True, slots=True)
class AppProgram:
    """A WSGI application that `gateline up` runs: `module:attribute` or `module:factory`.

    `directory` is absolute; it is the working folder and the first entry of the Python path.
    """

    target: str
    directory: str
    workers: int = 1
    threads: int = 8
    env: Mapping[str, str] = field(default_factory=_no_variables)


@dataclass(frozen=True, slots=True)
class Mirror:
    """A copy of `share` (0 to 1) of a route's requests goes to `service`; answers are dropped."""

    service: str
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Service:
    """An upstream: where it is reached and how patiently.

    `timeout` is the whole time for one request, all attempts included; `connect_timeout`,
    `idle_seconds` (how long an unused connection is kept) and `dns_seconds` (how long a resolved
    name is believed) are seconds too. A path that lacks `prefix` gets it. `hash_on` says what
    picks the endpoint under balance `hash`: `client`, `user`, `header:NAME` or `cookie:NAME`.
    `breaker`, `ejection`, `probe` and `concurrency` None switch that off. `stream_idle` is how many
    seconds an answer of unknown length may be silent once it is under way. With `preserve_host` it
    is asked under the name that the client asked for, not under that of its address.
    """

    name: str
    endpoints: tuple[Endpoint, ...]
    timeout: float = 10.0
    connect_timeout: float = 2.0
    retry: RetryPolicy = _THREE_ATTEMPTS
    prefix: str = ""
    balance: Balance = "least_requests"
    hash_on: str = "client"
    breaker: BreakerPolicy | None = BreakerPolicy()
    ejection: EjectionPolicy | None = EjectionPolicy()
    probe: ProbePolicy | None = None
    concurrency: ConcurrencyPolicy | None = None
    tls: TlsPolicy | None = None
    protocol: Protocol = "http1"
    max_connections: int = 1024
    idle_seconds: float = 30.0
    dns_seconds: float = 30.0
    stream_idle: float = 300.0
    preserve_host: bool = False
    app: AppProgram | None = None

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses of all endpoints, in order."""
        return tuple(endpoint.url for endpoint in self.endpoints)


def endpoints_at(*urls: str) -> tuple[Endpoint, ...]:
    """Return an endpoint of equal weight for each address."""
    return tuple(Endpoint(url) for url in urls)
