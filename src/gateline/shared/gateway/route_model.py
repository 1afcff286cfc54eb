"""`[[routes]]`: what happens to the requests for a path."""

from typing import Annotated, Final, Literal

from gateline.shared.gateway import address_fields, fields, web_fields
from gateline.shared.gateway.tables import LIST, OFF, TEXT, Shorthand, Table, as_list, setting

_ON_OR_OFF: Final = {"type": "boolean"}


def _cache(value: object) -> object:
    if value is False:
        return None
    return {} if value is True else value


def _one_limit(value: object) -> object:
    return {"limit": value} if isinstance(value, str) else value


def _limits(value: object) -> object:
    return [] if value is False or value == "none" else as_list(value)


def _redirect(value: object) -> object:
    return {"to": value} if isinstance(value, str) else value


def _mirror(value: object) -> object:
    return {"service": value} if isinstance(value, str) else value


class RedirectEntry(Table):
    """`redirect`: where a client is sent; text stands for `to`."""

    to: address_fields.Location = setting(
        ..., "Path or address; {path} is the part under /*, {name} a parameter.", "/new/{path}"
    )
    status: Literal[301, 302, 303, 307, 308] = setting(308, "Status of the answer.")


class LimitEntry(Table):
    """`rate_limit`: how many requests; text stands for `limit`, a list for several."""

    limit: fields.Rate = setting(..., "Requests in a time.", "600/minute")
    burst: fields.Count | None = setting(
        None, "How many may come at once; as many as the limit says when not given.", 50
    )
    by: fields.LimitedBy = setting(
        "client", "Counted by client, user, service_key, route or header:NAME.", "user"
    )


OneLimit = Annotated[LimitEntry, Shorthand(_one_limit, (TEXT,))]
Limits = Annotated[list[OneLimit], Shorthand(_limits, (OFF,), item=True)]


class RequestHeadersEntry(Table):
    """`request_headers`: changes on the way to the service: remove, then set, then add."""

    set: dict[web_fields.RequestHeaderName, web_fields.HeaderValue] = setting(
        {}, "Headers with these values alone.", {"X-Tenant": "north"}
    )
    add: dict[web_fields.RequestHeaderName, web_fields.HeaderValue] = setting(
        {}, "Headers besides what is there.", {"X-Tag": "edge"}
    )
    remove: Annotated[list[web_fields.HeaderName], LIST] = setting(
        [], "Headers to leave out; what only the gateway says stays.", ["X-Debug"]
    )


class ResponseHeadersEntry(Table):
    """`response_headers`: changes on the way to the client: remove, then set, then add."""

    set: dict[web_fields.ResponseHeaderName, web_fields.HeaderValue] = setting(
        {}, "Headers with these values alone.", {"Cache-Control": "no-store"}
    )
    add: dict[web_fields.ResponseHeaderName, web_fields.HeaderValue] = setting(
        {}, "Headers besides what is there.", {"Vary": "Accept"}
    )
    remove: Annotated[list[web_fields.HeaderName], LIST] = setting(
        [], "Headers to leave out.", ["X-Powered-By"]
    )


class CorsEntry(Table):
    """`cors` of a route: takes the place of the gateway's."""

    origins: Annotated[list[address_fields.Origin], LIST] = setting(
        ..., "Origins whose pages may read; `*`: any.", ["https://app.example.com"]
    )
    methods: Annotated[list[web_fields.Method], LIST] = setting(
        [], "Methods they may use; none: all.", ["GET"]
    )
    headers: Annotated[list[web_fields.HeaderName], LIST] = setting(
        [], "Headers they may send; none: whatever they ask for.", ["X-Version"]
    )
    expose: Annotated[list[web_fields.HeaderName] | None, LIST] = setting(
        None, "Headers of answers that their code may read.", ["ETag"]
    )
    credentials: bool | None = setting(
        None, "Whether cookies may come along; else as the origins are: exact yes, `*` no.", False
    )
    max_age: fields.Pause = setting(600.0, "How long a browser remembers.")


class CacheEntry(Table):
    """`cache`: keep answers that may be shared; `true` for the defaults."""

    default: fields.Pause = setting(0.0, "How long an answer that does not say is fresh.")
    most: fields.Duration = setting(3600.0, "No answer is kept for longer.")
    stale_if_error: fields.Pause = setting(
        0.0, "How long past its freshness an answer stands in for a service that fails.", 60
    )
    vary: Annotated[list[web_fields.TellingHeader], LIST] = setting(
        [], "Request headers that tell answers apart besides those of Vary.", ["Accept-Language"]
    )


class MirrorEntry(Table):
    """`mirror`: copy requests to another service; text stands for `service`."""

    service: fields.Name = setting(..., "Who gets the copies.", "shop-next")
    share: fields.Share = setting(1.0, "Share of the requests.")


class RouteEntry(Table):
    """`[[routes]]`: what happens to the requests for a path; the most specific route answers."""

    path: web_fields.Path = setting(
        ..., "`/a/b` exactly, `/a/*` all below (and `/a`), `{name}` any one part.", "/api/shop/*"
    )
    service: fields.Name | None = setting(None, "Who answers.", "shop")
    redirect: Annotated[RedirectEntry | None, Shorthand(_redirect, (TEXT,))] = setting(
        None, "Where to send the client instead.", "/new/{path}"
    )
    name: fields.RouteName | None = setting(
        None, "Its name in logs and metrics; made from the path when not given.", "shop"
    )
    hosts: Annotated[list[address_fields.Host], LIST] = setting(
        [], "Only under these host names; `*.example.com` is any below.", ["shop.example.com"]
    )
    methods: Annotated[list[web_fields.Method], LIST] = setting(
        [], "Only these methods; none: all.", ["GET", "POST"]
    )
    headers: dict[web_fields.HeaderName, web_fields.HeaderCondition] = setting(
        {}, "Only with these headers; `true`: whatever their value.", {"X-Version": "2"}
    )
    auth: Literal["none", "optional", "session"] = setting(
        "session", "Who may pass: anybody, anybody but told who it is, or who is known."
    )
    accept: Annotated[list[str], LIST] = setting(
        ["session"], "Where an identity may come from: session, key, names of issuers."
    )
    roles: Annotated[list[fields.Text], LIST] = setting(
        [], "User types that may pass; none: all.", ["customer"]
    )
    rate_limit: Limits | None = setting(
        None,
        "How many requests; several count side by side; `false` (or `none`): no limit. Else the "
        "gateway's.",
        "600/minute",
    )
    strip_prefix: web_fields.Stripped = setting(
        False, "Leave out the part before `/*` on the way, or the leading part given.", True
    )
    rewrite_prefix: web_fields.Prefix | None = setting(
        None, "Put this in the place of the part before `/*`.", "/v2"
    )
    timeout: fields.Duration | None = setting(
        None, "Time for a request; else the service's.", "30s"
    )
    stream_idle: fields.Duration | None = setting(
        None, "How long an answer of unknown length may be silent; else the service's.", "1h"
    )
    max_body: fields.Size | None = setting(
        None, "Largest request body; else the gateway's.", "50MB"
    )
    request_headers: RequestHeadersEntry | None = setting(
        None, "Changes on the way to the service.", {"set": {"X-Tenant": "north"}}
    )
    response_headers: ResponseHeadersEntry | None = setting(
        None, "Changes on the way to the client.", {"remove": ["X-Powered-By"]}
    )
    cors: CorsEntry | None = setting(
        None, "Other origins' pages; else the gateway's.", {"origins": ["https://app.example.com"]}
    )
    allow_ips: Annotated[list[address_fields.NetworkText], LIST] = setting(
        [], "Only clients in these networks.", ["10.0.0.0/8"]
    )
    deny_ips: Annotated[list[address_fields.NetworkText], LIST] = setting(
        [], "No clients in these networks.", ["192.0.2.0/24"]
    )
    cache: Annotated[CacheEntry | None, Shorthand(_cache, (_ON_OR_OFF,))] = setting(
        None, "Keep answers that may be shared.", True
    )
    compress: bool = setting(False, "Compress answers that the service did not.")
    mirror: Annotated[MirrorEntry | None, Shorthand(_mirror, (TEXT,))] = setting(
        None, "Copy requests to another service.", {"service": "shop-next", "share": 0.1}
    )
    websocket: bool = setting(True, "Whether WebSockets pass.")
    encoded_slashes: bool = setting(False, "Whether `%2F` may stand in the path.")
    share_cookie: bool = setting(False, "Whether the service sees the session cookie.")
    server_timing: bool = setting(False, "Whether answers say in Server-Timing what took.")
