"""`[services.NAME]`: who answers, and how patiently it is asked."""

from typing import Annotated, Literal

from pydantic import Field

from gateline.shared.gateway import address_fields, fields, web_fields
from gateline.shared.gateway.tables import LIST, OFF, Shorthand, Table, or_off, setting


def _retries(value: object) -> object:
    if value is False:
        return {"attempts": 1}
    return {"attempts": value} if isinstance(value, int) and value is not True else value


def _concurrency(value: object) -> object:
    if value is False:
        return None
    return {"limit": value} if isinstance(value, int) and value is not True else value


class TargetEntry(Table):
    """One of `targets`: an address with a share of the requests."""

    url: address_fields.Url = setting(..., "Its address.", "http://shop-2:9000")
    weight: Annotated[int, Field(ge=0, le=1000)] = setting(
        1, "Its share in proportion to the others; 0: no new requests."
    )


class RetriesEntry(Table):
    """`retries`: what is tried again; a number stands for `attempts`, `false` for none."""

    attempts: Annotated[int, Field(ge=1, le=10)] = setting(3, "Attempts in all.")
    statuses: list[Annotated[int, Field(ge=400, le=599)]] = setting(
        [502, 503, 504], "Answers worth another attempt."
    )
    backoff: fields.Duration = setting(
        1.0, "The first wait is drawn below this, each further below twice as much."
    )
    most: fields.Duration = setting(8.0, "No wait is longer.")


class BreakerEntry(Table):
    """`breaker`: when to stop asking a service that fails; `false`: never."""

    error_share: fields.Share = setting(0.5, "Share of failures from which it opens.")
    least_requests: fields.Count = setting(20, "Requests in the window before it may open.")
    window: fields.Duration = setting(10.0, "How far back it looks.")
    open: fields.Duration = setting(5.0, "How long it stays open before one request probes.")


class EjectionEntry(Table):
    """`ejection`: when one target of several is left out; `false`: never."""

    failures: fields.Count = setting(5, "Failures in a row that leave a target out.")
    base: fields.Duration = setting(10.0, "For how long, the first time.")
    most: fields.Duration = setting(300.0, "For how long at most.")
    most_share: fields.Share = setting(0.5, "Share of the targets that may be out at once.")
    slow_start: fields.Pause = setting(10.0, "Time in which it gets its full share again.")


class HealthCheckEntry(Table):
    """`health_check`: ask every target regularly; off unless given."""

    path: web_fields.AskedPath = setting(
        "/livez", "What is asked for; 2xx and 3xx are good answers."
    )
    interval: fields.Duration = setting(5.0, "How often.")
    timeout: fields.Duration = setting(2.0, "How long an answer may take.")
    healthy: fields.Count = setting(2, "Good answers in a row that bring a target back.")
    unhealthy: fields.Count = setting(3, "Failures in a row that leave it out.")


class ConcurrencyEntry(Table):
    """`concurrency`: requests at once in one worker; a number stands for `limit`."""

    limit: fields.Count = setting(..., "Requests at once.", 100)
    queue: Annotated[int, Field(ge=0)] = setting(0, "How many more may wait.")
    wait: fields.Duration = setting(1.0, "How long they wait.")


class UpstreamTlsEntry(Table):
    """`tls` of a service: how https targets are believed."""

    verify: bool = setting(True, "Whether their certificate is verified.")
    ca: str = setting("", "PEM file of the authority to believe, not the system's.", "ca.pem")
    certificate: str = setting("", "PEM file of our own certificate.", "gateline.pem")
    key: str = setting("", "PEM file of its key.", "gateline.key")
    server_name: address_fields.ServerName = setting(
        "", "Name to ask for and verify instead of the address's.", "shop"
    )


class ServiceEntry(Table):
    """`[services.NAME]`: somebody who answers; one of `app`, `url`, `urls`, `targets`."""

    app: fields.App | None = setting(
        None, "WSGI app that `gateline up` serves: module:factory or module:app.", "shop:create_app"
    )
    url: address_fields.Url | None = setting(None, "Its address.", "http://shop:9000")
    urls: Annotated[list[address_fields.Url], LIST] = setting(
        [], "Several addresses.", ["http://a:9000", "http://b:9000"]
    )
    targets: list[TargetEntry] = setting(
        [], "Several addresses with weights.", [{"url": "http://a:9000", "weight": 9}]
    )
    directory: str = setting(".", "Folder of the app; from the file's own.")
    workers: Annotated[int, Field(ge=1, le=64)] = setting(1, "Processes that serve the app.")
    threads: Annotated[int, Field(ge=1, le=256)] = setting(8, "Threads in each of them.")
    env: dict[fields.Variable, fields.Value] = setting(
        {}, "Environment variables of the app.", {"SHOP_CURRENCY": "EUR"}
    )
    prefix: web_fields.Prefix = setting("", "Put before a path that lacks it.", "/v2")
    preserve_host: bool = setting(
        False, "Whether it gets the client's Host header, not its own address's."
    )
    timeout: fields.Duration | None = setting(
        None, "Time for a request, all attempts included; else UPSTREAM_TIMEOUT, 10 s.", "10s"
    )
    stream_idle: fields.Duration = setting(
        300.0, "How long an answer of unknown length, such as a stream of events, may be silent."
    )
    connect_timeout: fields.Duration = setting(2.0, "Time for a new connection.")
    balance: Literal["least_requests", "round_robin", "hash"] = setting(
        "least_requests", "How a target is chosen: the less busy of two, in turn, or by `hash_on`."
    )
    hash_on: fields.HashedOn = setting(
        "client", "What picks the target: client, user, header:NAME or cookie:NAME.", "cookie:cart"
    )
    protocol: Literal["http1", "http2"] = setting("http1", "What the targets speak.")
    max_connections: fields.Count = setting(1024, "Connections to each target, in one worker.")
    idle: fields.Duration = setting(
        30.0, "How long an unused connection is kept: less than the service itself keeps it."
    )
    dns_refresh: fields.Duration = setting(30.0, "How often names are resolved anew.")
    retries: Annotated[
        RetriesEntry, Shorthand(_retries, (OFF, {"type": "integer", "minimum": 1}))
    ] = setting(RetriesEntry(), "What is tried again.", {"attempts": 2})
    breaker: Annotated[BreakerEntry | None, Shorthand(or_off, (OFF,))] = setting(
        BreakerEntry(), "When to stop asking.", False
    )
    ejection: Annotated[EjectionEntry | None, Shorthand(or_off, (OFF,))] = setting(
        EjectionEntry(), "When to leave one target out.", False
    )
    health_check: Annotated[HealthCheckEntry | None, Shorthand(or_off, (OFF,))] = setting(
        None, "Ask every target regularly.", {"path": "/livez"}
    )
    concurrency: Annotated[
        ConcurrencyEntry | None,
        Shorthand(_concurrency, (OFF, {"type": "integer", "minimum": 1})),
    ] = setting(None, "Requests at once; more wait or get 503.", 100)
    tls: UpstreamTlsEntry | None = setting(None, "For https targets.", {"ca": "ca.pem"})
