"""Every table of a gateway file and what may stand in it.

The JSON Schema for editors and the reference are made from these classes: each setting has a
sentence and, where the default does not tell, an example.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateline.shared.gateway import fields
from gateline.shared.gateway.fields import Shorthand, as_list

_TEXT: Final = {"type": "string"}
_ON_OR_OFF: Final = {"type": "boolean"}
_OFF: Final = {"const": False, "type": "boolean"}


def _setting(default: Any, description: str, example: Any = None) -> Any:
    """Declare a setting: what it does, and what one might write."""
    return Field(default, description=description, examples=None if example is None else [example])


def _or_off(value: object) -> object:
    return None if value is False else value


def _retries(value: object) -> object:
    if value is False:
        return {"attempts": 1}
    return {"attempts": value} if isinstance(value, int) and value is not True else value


def _concurrency(value: object) -> object:
    if value is False:
        return None
    return {"limit": value} if isinstance(value, int) and value is not True else value


def _cache(value: object) -> object:
    if value is False:
        return None
    return {} if value is True else value


def _one_limit(value: object) -> object:
    return {"limit": value} if isinstance(value, str) else value


def _redirect(value: object) -> object:
    return {"to": value} if isinstance(value, str) else value


def _mirror(value: object) -> object:
    return {"service": value} if isinstance(value, str) else value


_LIST: Final = Shorthand(as_list, (_TEXT,))


class Table(BaseModel):
    """A table of the file: nothing but what it declares may stand in it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, title=None)


class TlsEntry(Table):
    """`[gateway.tls]`: what the edge shows to clients."""

    certificate: str = _setting(..., "PEM file of the certificate chain.", "tls/edge.pem")
    key: str = _setting(..., "PEM file of its key.", "tls/edge.key")
    http2: bool = _setting(True, "Whether HTTP/2 is offered besides HTTP/1.1.")


class BudgetEntry(Table):
    """`[gateway.retry_budget]`: how many retries all services together may cause."""

    share: fields.Share = _setting(0.2, "Retries as a share of a service's active requests.")
    least: Annotated[int, Field(ge=0)] = _setting(3, "Retries that may always run at once.")


class GatewayEntry(Table):
    """`[gateway]`: what holds for all requests."""

    allowed_hosts: Annotated[list[fields.Host], _LIST] = _setting(
        [], "Host names that are answered; none: any. ALLOWED_HOSTS wins.", ["api.example.com"]
    )
    cors_origins: Annotated[list[fields.Origin], _LIST] = _setting(
        [],
        "Origins whose pages may call with credentials; `*`: any, without. CORS_ORIGINS wins.",
        ["https://app.example.com"],
    )
    trusted_proxies: Annotated[list[fields.NetworkText], _LIST] = _setting(
        [],
        "Proxies in front whose X-Forwarded-* is believed. EDGE_TRUSTED_PROXIES wins.",
        ["10.0.0.0/8"],
    )
    platform: bool = _setting(True, "Whether accounts, API, pages and control room are served.")
    samples: bool = _setting(False, "Whether the sample services, clinic and shop, are served.")
    max_body: fields.Size | None = _setting(
        None, "Largest request body. MAX_BODY_BYTES wins, and is 10 MiB when neither says.", "1MB"
    )
    max_header_count: Annotated[int, Field(ge=1, le=1000)] | None = _setting(
        None, "Most headers of a request.", 100
    )
    server_timing: bool = _setting(False, "Whether every answer says in Server-Timing what took.")
    access_log: bool = _setting(True, "Whether every request gets a line in the log.")
    tls: TlsEntry | None = _setting(None, "Certificate and key; none: plain HTTP.")
    retry_budget: BudgetEntry = _setting(BudgetEntry(), "How many retries there may be.")


class TargetEntry(Table):
    """One of `targets`: an address with a share of the requests."""

    url: fields.Url = _setting(..., "Its address.", "http://shop-2:9000")
    weight: Annotated[int, Field(ge=0, le=1000)] = _setting(
        1, "Its share in proportion to the others; 0: no new requests."
    )


class RetriesEntry(Table):
    """`retries`: what is tried again; a number stands for `attempts`, `false` for none."""

    attempts: Annotated[int, Field(ge=1, le=10)] = _setting(3, "Attempts in all.")
    statuses: list[Annotated[int, Field(ge=400, le=599)]] = _setting(
        [502, 503, 504], "Answers worth another attempt."
    )
    backoff: fields.Duration = _setting(
        1.0, "The first wait is drawn below this, each further below twice as much."
    )
    most: fields.Duration = _setting(8.0, "No wait is longer.")


class BreakerEntry(Table):
    """`breaker`: when to stop asking a service that fails; `false`: never."""

    error_share: fields.Share = _setting(0.5, "Share of failures from which it opens.")
    least_requests: fields.Count = _setting(20, "Requests in the window before it may open.")
    window: fields.Duration = _setting(10.0, "How far back it looks.")
    open: fields.Duration = _setting(5.0, "How long it stays open before one request probes.")


class EjectionEntry(Table):
    """`ejection`: when one target of several is left out; `false`: never."""

    failures: fields.Count = _setting(5, "Failures in a row that leave a target out.")
    base: fields.Duration = _setting(10.0, "For how long, the first time.")
    most: fields.Duration = _setting(300.0, "For how long at most.")
    most_share: fields.Share = _setting(0.5, "Share of the targets that may be out at once.")
    slow_start: fields.Pause = _setting(10.0, "Time in which it gets its full share again.")


class HealthCheckEntry(Table):
    """`health_check`: ask every target regularly; off unless given."""

    path: str = _setting("/livez", "What is asked for; 2xx and 3xx are good answers.")
    interval: fields.Duration = _setting(5.0, "How often.")
    timeout: fields.Duration = _setting(2.0, "How long an answer may take.")
    healthy: fields.Count = _setting(2, "Good answers in a row that bring a target back.")
    unhealthy: fields.Count = _setting(3, "Failures in a row that leave it out.")


class ConcurrencyEntry(Table):
    """`concurrency`: requests at once in one worker; a number stands for `limit`."""

    limit: fields.Count = _setting(..., "Requests at once.", 100)
    queue: Annotated[int, Field(ge=0)] = _setting(0, "How many more may wait.")
    wait: fields.Duration = _setting(1.0, "How long they wait.")


class UpstreamTlsEntry(Table):
    """`tls` of a service: how https targets are believed."""

    verify: bool = _setting(True, "Whether their certificate is verified.")
    ca: str = _setting("", "PEM file of the authority to believe, not the system's.", "ca.pem")
    certificate: str = _setting("", "PEM file of our own certificate.", "gateline.pem")
    key: str = _setting("", "PEM file of its key.", "gateline.key")
    server_name: str = _setting("", "Name to ask for and verify instead of the address's.", "shop")


class ServiceEntry(Table):
    """`[services.NAME]`: somebody who answers; one of `app`, `url`, `urls`, `targets`."""

    app: fields.App | None = _setting(
        None, "WSGI app that `gateline up` serves: module:factory or module:app.", "shop:create_app"
    )
    url: fields.Url | None = _setting(None, "Its address.", "http://shop:9000")
    urls: Annotated[list[fields.Url], _LIST] = _setting(
        [], "Several addresses.", ["http://a:9000", "http://b:9000"]
    )
    targets: list[TargetEntry] = _setting(
        [], "Several addresses with weights.", [{"url": "http://a:9000", "weight": 9}]
    )
    directory: str = _setting(".", "Folder of the app; from the file's own.")
    workers: Annotated[int, Field(ge=1, le=64)] = _setting(1, "Processes that serve the app.")
    threads: Annotated[int, Field(ge=1, le=256)] = _setting(8, "Threads in each of them.")
    env: dict[fields.Variable, str] = _setting(
        {}, "Environment variables of the app.", {"SHOP_CURRENCY": "EUR"}
    )
    prefix: fields.Prefix = _setting("", "Put before a path that lacks it.", "/v2")
    timeout: fields.Duration | None = _setting(
        None, "Time for a request, all attempts included; else UPSTREAM_TIMEOUT, 10 s.", "10s"
    )
    connect_timeout: fields.Duration = _setting(2.0, "Time for a new connection.")
    balance: Literal["least_requests", "round_robin", "hash"] = _setting(
        "least_requests", "How a target is chosen: the less busy of two, in turn, or by `hash_on`."
    )
    hash_on: fields.HashedOn = _setting(
        "client", "What picks the target: client, user, header:NAME or cookie:NAME.", "cookie:cart"
    )
    protocol: Literal["http1", "http2"] = _setting("http1", "What the targets speak.")
    max_connections: fields.Count = _setting(1024, "Connections to each target, in one worker.")
    idle: fields.Duration = _setting(
        30.0, "How long an unused connection is kept: less than the service itself keeps it."
    )
    dns_refresh: fields.Duration = _setting(30.0, "How often names are resolved anew.")
    retries: Annotated[
        RetriesEntry, Shorthand(_retries, (_OFF, {"type": "integer", "minimum": 1}))
    ] = _setting(RetriesEntry(), "What is tried again.", {"attempts": 2})
    breaker: Annotated[BreakerEntry | None, Shorthand(_or_off, (_OFF,))] = _setting(
        BreakerEntry(), "When to stop asking.", False
    )
    ejection: Annotated[EjectionEntry | None, Shorthand(_or_off, (_OFF,))] = _setting(
        EjectionEntry(), "When to leave one target out.", False
    )
    health_check: Annotated[HealthCheckEntry | None, Shorthand(_or_off, (_OFF,))] = _setting(
        None, "Ask every target regularly.", {"path": "/livez"}
    )
    concurrency: Annotated[
        ConcurrencyEntry | None,
        Shorthand(_concurrency, (_OFF, {"type": "integer", "minimum": 1})),
    ] = _setting(None, "Requests at once; more wait or get 503.", 100)
    tls: UpstreamTlsEntry | None = _setting(None, "For https targets.", {"ca": "ca.pem"})


class RedirectEntry(Table):
    """`redirect`: where a client is sent; text stands for `to`."""

    to: fields.Location = _setting(
        ..., "Path or address; {path} is the part under /*, {name} a parameter.", "/new/{path}"
    )
    status: Literal[301, 302, 303, 307, 308] = _setting(308, "Status of the answer.")


class LimitEntry(Table):
    """`rate_limit`: how many requests; text stands for `limit`, a list for several."""

    limit: fields.Rate = _setting(..., "Requests in a time.", "600/minute")
    burst: fields.Count | None = _setting(
        None, "How many may come at once; as many as the limit says when not given.", 50
    )
    by: fields.LimitedBy = _setting(
        "client", "Counted by client, user, service_key, route or header:NAME.", "user"
    )


OneLimit = Annotated[LimitEntry, Shorthand(_one_limit, (_TEXT,))]


class RequestHeadersEntry(Table):
    """`request_headers`: changes on the way to the service: remove, then set, then add."""

    set: dict[fields.RequestHeaderName, fields.HeaderValue] = _setting(
        {}, "Headers with these values alone.", {"X-Tenant": "north"}
    )
    add: dict[fields.RequestHeaderName, fields.HeaderValue] = _setting(
        {}, "Headers besides what is there.", {"X-Tag": "edge"}
    )
    remove: Annotated[list[fields.HeaderName], _LIST] = _setting(
        [], "Headers to leave out.", ["X-Debug"]
    )


class ResponseHeadersEntry(Table):
    """`response_headers`: changes on the way to the client: remove, then set, then add."""

    set: dict[fields.ResponseHeaderName, fields.HeaderValue] = _setting(
        {}, "Headers with these values alone.", {"Cache-Control": "no-store"}
    )
    add: dict[fields.ResponseHeaderName, fields.HeaderValue] = _setting(
        {}, "Headers besides what is there.", {"Vary": "Accept"}
    )
    remove: Annotated[list[fields.HeaderName], _LIST] = _setting(
        [], "Headers to leave out.", ["X-Powered-By"]
    )


class CorsEntry(Table):
    """`cors` of a route: takes the place of the gateway's."""

    origins: Annotated[list[fields.Origin], _LIST] = _setting(
        ..., "Origins whose pages may read; `*`: any.", ["https://app.example.com"]
    )
    methods: Annotated[list[fields.Method], _LIST] = _setting(
        [], "Methods they may use; none: all.", ["GET"]
    )
    headers: Annotated[list[fields.HeaderName], _LIST] = _setting(
        [], "Headers they may send; none: whatever they ask for.", ["X-Version"]
    )
    expose: Annotated[list[fields.HeaderName] | None, _LIST] = _setting(
        None, "Headers of answers that their code may read.", ["ETag"]
    )
    credentials: bool | None = _setting(
        None, "Whether cookies may come along; else as the origins are: exact yes, `*` no.", False
    )
    max_age: fields.Pause = _setting(600.0, "How long a browser remembers.")


class CacheEntry(Table):
    """`cache`: keep answers that may be shared; `true` for the defaults."""

    default: fields.Pause = _setting(0.0, "How long an answer that does not say is fresh.")
    most: fields.Duration = _setting(3600.0, "No answer is kept for longer.")
    stale_if_error: fields.Pause = _setting(
        0.0, "How long past its freshness an answer stands in for a service that fails.", 60
    )
    vary: Annotated[list[fields.HeaderName], _LIST] = _setting(
        [], "Request headers that tell answers apart besides those of Vary.", ["Accept-Language"]
    )


class MirrorEntry(Table):
    """`mirror`: copy requests to another service; text stands for `service`."""

    service: fields.Name = _setting(..., "Who gets the copies.", "shop-next")
    share: fields.Share = _setting(1.0, "Share of the requests.")


class RouteEntry(Table):
    """`[[routes]]`: what happens to the requests for a path; the most specific route answers."""

    path: fields.Path = _setting(
        ..., "`/a/b` exactly, `/a/*` all below (and `/a`), `{name}` any one part.", "/api/shop/*"
    )
    service: fields.Name | None = _setting(None, "Who answers.", "shop")
    redirect: Annotated[RedirectEntry | None, Shorthand(_redirect, (_TEXT,))] = _setting(
        None, "Where to send the client instead.", "/new/{path}"
    )
    name: fields.RouteName | None = _setting(
        None, "Its name in logs and metrics; made from the path when not given.", "shop"
    )
    hosts: Annotated[list[fields.Host], _LIST] = _setting(
        [], "Only under these host names; `*.example.com` is any below.", ["shop.example.com"]
    )
    methods: Annotated[list[fields.Method], _LIST] = _setting(
        [], "Only these methods; none: all.", ["GET", "POST"]
    )
    headers: dict[fields.HeaderName, fields.HeaderCondition] = _setting(
        {}, "Only with these headers; `true`: whatever their value.", {"X-Version": "2"}
    )
    auth: Literal["none", "optional", "session"] = _setting(
        "session", "Who may pass: anybody, anybody but told who it is, or who is known."
    )
    accept: Annotated[list[str], _LIST] = _setting(
        ["session"], "Where an identity may come from: session, key, names of issuers."
    )
    roles: Annotated[list[str], _LIST] = _setting(
        [], "User types that may pass; none: all.", ["customer"]
    )
    rate_limit: Annotated[list[OneLimit], Shorthand(as_list, (), item=True)] = _setting(
        [], "How many requests; several count side by side.", "600/minute"
    )
    strip_prefix: fields.Stripped = _setting(
        False, "Leave out the part before `/*` on the way, or the leading part given.", True
    )
    rewrite_prefix: fields.Prefix | None = _setting(
        None, "Put this in the place of the part before `/*`.", "/v2"
    )
    timeout: fields.Duration | None = _setting(
        None, "Time for a request; else the service's.", "30s"
    )
    max_body: fields.Size | None = _setting(
        None, "Largest request body; else the gateway's.", "50MB"
    )
    request_headers: RequestHeadersEntry | None = _setting(
        None, "Changes on the way to the service.", {"set": {"X-Tenant": "north"}}
    )
    response_headers: ResponseHeadersEntry | None = _setting(
        None, "Changes on the way to the client.", {"remove": ["X-Powered-By"]}
    )
    cors: CorsEntry | None = _setting(
        None, "Other origins' pages; else the gateway's.", {"origins": ["https://app.example.com"]}
    )
    allow_ips: Annotated[list[fields.NetworkText], _LIST] = _setting(
        [], "Only clients in these networks.", ["10.0.0.0/8"]
    )
    deny_ips: Annotated[list[fields.NetworkText], _LIST] = _setting(
        [], "No clients in these networks.", ["192.0.2.0/24"]
    )
    cache: Annotated[CacheEntry | None, Shorthand(_cache, (_ON_OR_OFF,))] = _setting(
        None, "Keep answers that may be shared.", True
    )
    compress: bool = _setting(False, "Compress answers that the service did not.")
    mirror: Annotated[MirrorEntry | None, Shorthand(_mirror, (_TEXT,))] = _setting(
        None, "Copy requests to another service.", {"service": "shop-next", "share": 0.1}
    )
    websocket: bool = _setting(True, "Whether WebSockets pass.")
    encoded_slashes: bool = _setting(False, "Whether `%2F` may stand in the path.")
    share_cookie: bool = _setting(False, "Whether the service sees the session cookie.")
    server_timing: bool = _setting(False, "Whether answers say in Server-Timing what took.")


class IssuerEntry(Table):
    """`[issuers.NAME]`: somebody else whose tokens are believed on routes that accept NAME."""

    issuer: str = _setting(..., "The tokens' `iss`.", "https://login.example.com/")
    jwks_url: fields.WebUrl = _setting(
        ..., "Where its keys are.", "https://login.example.com/.well-known/jwks.json"
    )
    audience: Annotated[list[str], Field(min_length=1), _LIST] = _setting(
        ..., "One of these is the tokens' `aud`.", ["shop"]
    )
    algorithms: Annotated[list[fields.Algorithm], Field(min_length=1), _LIST] = _setting(
        ["RS256", "ES256", "EdDSA"], "How tokens may be signed."
    )
    user_id: str = _setting("sub", "Claim with the user's id.")
    email: str = _setting("email", "Claim with the address.")
    user_type: str = _setting("user_type", "Claim with the role; a dot descends.")
    roles: dict[str, str] = _setting(
        {}, "User type for each value of that claim; none: as it is.", {"shop-admin": "admin"}
    )
    cooldown: fields.Duration = _setting(30.0, "Least time between two looks at its keys.")


class ApiKeyEntry(Table):
    """`[[api_keys]]`: a client known by its X-API-Key, on routes that accept `key`."""

    name: fields.Name = _setting(..., "Who it is.", "warehouse")
    sha256: fields.Digest = _setting(
        ..., "Digest of the key, as `gateline key new` prints it.", "0" * 64
    )
    user_type: str = _setting("service", "What `roles` of a route compare with.")
    rate_limit: OneLimit | None = _setting(None, "How many requests it may make.", "600/minute")


class GatewayFile(Table):
    """A gateway file: services, and the routes that lead to them."""

    gateway: GatewayEntry = _setting(GatewayEntry(), "What holds for all requests.")
    services: dict[fields.Name, ServiceEntry] = _setting({}, "Who answers.")
    routes: list[RouteEntry] = _setting([], "What happens to the requests for a path.")
    issuers: dict[fields.Name, IssuerEntry] = _setting({}, "Others whose tokens are believed.")
    api_keys: list[ApiKeyEntry] = _setting([], "Clients with a key of their own.")
