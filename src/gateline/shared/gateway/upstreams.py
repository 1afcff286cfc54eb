"""Build the services of a gateway file."""

from pathlib import Path

from gateline.policy.retries import RetryPolicy
from gateline.policy.services import (
    AppProgram,
    BreakerPolicy,
    ConcurrencyPolicy,
    EjectionPolicy,
    Endpoint,
    ProbePolicy,
    Service,
    TlsPolicy,
    endpoints_at,
)
from gateline.shared.gateway.building import each
from gateline.shared.gateway.service_model import (
    BreakerEntry,
    ConcurrencyEntry,
    EjectionEntry,
    HealthCheckEntry,
    RetriesEntry,
    ServiceEntry,
    UpstreamTlsEntry,
)


def service(name: str, entry: ServiceEntry, folder: Path, *, timeout: float) -> Service:
    """Return the service that an entry describes; `timeout` (seconds) is used where it has none.

    Paths count from `folder`, which is absolute.
    """
    return Service(
        name=name,
        endpoints=_endpoints(entry),
        timeout=entry.timeout or timeout,
        connect_timeout=entry.connect_timeout,
        retry=_retry(entry.retries),
        prefix=entry.prefix,
        balance=entry.balance,
        hash_on=entry.hash_on,
        breaker=each(entry.breaker, _breaker),
        ejection=each(entry.ejection, _ejection),
        probe=each(entry.health_check, _probe),
        concurrency=each(entry.concurrency, _concurrency),
        tls=each(entry.tls, lambda one: _tls(one, folder)),
        protocol=entry.protocol,
        max_connections=entry.max_connections,
        idle_seconds=entry.idle,
        dns_seconds=entry.dns_refresh,
        stream_idle=entry.stream_idle,
        preserve_host=entry.preserve_host,
        app=each(entry.app, lambda target: _app(target, entry, folder)),
    )


def _endpoints(entry: ServiceEntry) -> tuple[Endpoint, ...]:
    if entry.targets:
        return tuple(Endpoint(one.url, one.weight) for one in entry.targets)
    return endpoints_at(*([entry.url] if entry.url else entry.urls))


def _app(target: str, entry: ServiceEntry, folder: Path) -> AppProgram:
    return AppProgram(
        target=target,
        directory=str((folder / entry.directory).resolve()),
        workers=entry.workers,
        threads=entry.threads,
        env=dict(entry.env),
    )


def _retry(entry: RetriesEntry) -> RetryPolicy:
    return RetryPolicy(
        attempts=entry.attempts,
        base=entry.backoff,
        cap=entry.most,
        statuses=frozenset(entry.statuses),
    )


def _breaker(entry: BreakerEntry) -> BreakerPolicy:
    return BreakerPolicy(
        error_share=entry.error_share,
        least_requests=entry.least_requests,
        window_seconds=entry.window,
        open_seconds=entry.open,
    )


def _ejection(entry: EjectionEntry) -> EjectionPolicy:
    return EjectionPolicy(
        consecutive_failures=entry.failures,
        base_seconds=entry.base,
        most_seconds=entry.most,
        most_share=entry.most_share,
        slow_start_seconds=entry.slow_start,
    )


def _probe(entry: HealthCheckEntry) -> ProbePolicy:
    return ProbePolicy(entry.path, entry.interval, entry.timeout, entry.healthy, entry.unhealthy)


def _concurrency(entry: ConcurrencyEntry) -> ConcurrencyPolicy:
    return ConcurrencyPolicy(entry.limit, entry.queue, entry.wait)


def _tls(entry: UpstreamTlsEntry, folder: Path) -> TlsPolicy:
    return TlsPolicy(
        verify=entry.verify,
        ca_file=_file(folder, entry.ca),
        certificate_file=_file(folder, entry.certificate),
        key_file=_file(folder, entry.key),
        server_name=entry.server_name,
    )


def _file(folder: Path, name: str) -> str:
    return str(folder / name) if name else ""
