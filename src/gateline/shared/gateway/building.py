"""From what a person wrote to what the gateway decides by. Everything here has been checked."""

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeVar

from gateline.policy.caching import CacheRule
from gateline.policy.clients import Network
from gateline.policy.cors import EXPOSED_HEADERS, CorsPolicy
from gateline.policy.credentials import ApiKey, Issuer
from gateline.policy.gcra import LimitedBy, LimitRule
from gateline.policy.headers import SPOOFABLE, HeaderChanges
from gateline.policy.limits import Limit
from gateline.policy.routes import Destination, HeaderMatch, Redirect, Route
from gateline.policy.services import Mirror
from gateline.shared.gateway.model import ApiKeyEntry, IssuerEntry, TlsEntry
from gateline.shared.gateway.plan import EdgeTls
from gateline.shared.gateway.route_model import (
    CacheEntry,
    CorsEntry,
    LimitEntry,
    RequestHeadersEntry,
    ResponseHeadersEntry,
    RouteEntry,
)

_ALL_METHODS: Final = CorsPolicy().methods
_BY: Final[Mapping[str, LimitedBy]] = {
    "client": "client",
    "user": "user",
    "service_key": "service_key",
    "route": "route",
}


Written = TypeVar("Written")
Built = TypeVar("Built")


def each(entry: Written | None, build: Callable[[Written], Built]) -> Built | None:
    """Build from an entry that may be left out."""
    return None if entry is None else build(entry)


def route(entry: RouteEntry, name: str, *, takes_sockets: bool = True) -> Route:
    """Return the route that an entry describes; its service may be one that takes no WebSockets."""
    return Route(
        name,
        entry.path,
        None if entry.service is None else _destination(entry.service, replacement(entry)),
        methods=frozenset(entry.methods),
        hosts=hosts(entry.hosts),
        auth="none" if entry.redirect else entry.auth,
        roles=_names(tuple(entry.roles)),
        share_cookie=entry.share_cookie,
        max_body_bytes=entry.max_body,
        headers=header_matches(entry),
        accept=_names(tuple(entry.accept)),
        redirect=each(entry.redirect, lambda one: Redirect(one.to, one.status)),
        timeout=entry.timeout,
        limits=limit_rules(entry.rate_limit or ()),
        request_headers=each(entry.request_headers, request_header_changes),
        response_headers=each(entry.response_headers, header_changes),
        cors=each(entry.cors, cors_policy),
        allow_ips=networks(entry.allow_ips),
        deny_ips=networks(entry.deny_ips),
        cache=each(entry.cache, cache_rule),
        compress=entry.compress,
        mirror=each(entry.mirror, lambda one: Mirror(one.service, one.share)),
        websocket=entry.websocket and takes_sockets,
        encoded_slashes=entry.encoded_slashes,
        server_timing=entry.server_timing,
        stream_idle=entry.stream_idle,
    )


# Thousands of routes say the same few things: one object for all is read from warm memory.
_destination = lru_cache(maxsize=4096)(Destination)
_names = lru_cache(maxsize=4096)(frozenset[str])


def literal_head(path: str) -> str:
    """Return the part of a route's path before `/*` and before any parameter.

    >>> literal_head("/api/shop/*"), literal_head("/a/{id}/b")
    ('/api/shop', '/a')
    """
    head = path.removesuffix("/*").partition("/{")[0]
    return "" if head == "/" else head


def replacement(entry: RouteEntry) -> tuple[str, str] | None:
    """Return the leading part of the path to exchange, and for what; None leaves the path."""
    if entry.rewrite_prefix is None and entry.strip_prefix in (False, ""):
        return None
    old = entry.strip_prefix if isinstance(entry.strip_prefix, str) else literal_head(entry.path)
    return old, entry.rewrite_prefix or ""


def header_matches(entry: RouteEntry) -> tuple[HeaderMatch, ...]:
    """Return the conditions on headers, in the order of their names."""
    return tuple(
        HeaderMatch(
            name.lower().encode(), value.encode("latin-1") if isinstance(value, str) else None
        )
        for name, value in sorted(entry.headers.items())
    )


def limit_rules(entries: Iterable[LimitEntry]) -> tuple[LimitRule, ...]:
    """Return limits in the order in which they are asked."""
    return tuple(limit_rule(one) for one in entries)


def limit_rule(entry: LimitEntry) -> LimitRule:
    """Return a limit; without a burst of its own the whole of it may come at once."""
    limit = Limit.parse(entry.limit)
    by, _, header = entry.by.partition(":")
    return LimitRule(
        limit,
        entry.burst or limit.requests,
        "header" if header else _BY[by],
        header.lower().encode(),
    )


def header_changes(entry: RequestHeadersEntry | ResponseHeadersEntry) -> HeaderChanges:
    """Return changes of headers with names in lower case."""
    return HeaderChanges(
        set=_pairs(entry.set),
        add=_pairs(entry.add),
        remove=frozenset(name.lower().encode() for name in entry.remove),
    )


def request_header_changes(entry: RequestHeadersEntry) -> HeaderChanges:
    """Return changes of a request's headers; what only the gateway says stays as it says it."""
    changes = header_changes(entry)
    return replace(changes, remove=changes.remove - SPOOFABLE)


def _pairs(headers: Mapping[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(
        (name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()
    )


def cors_policy(entry: CorsEntry) -> CorsPolicy:
    """Return whose pages may read; what is not said is as everywhere."""
    return CorsPolicy(
        frozenset(entry.origins),
        expose=EXPOSED_HEADERS if entry.expose is None else tuple(entry.expose),
        max_age=int(entry.max_age),
        methods=tuple(entry.methods) or _ALL_METHODS,
        headers=frozenset(name.lower() for name in entry.headers) or None,
        credentials=entry.credentials is not False,
    )


def cache_rule(entry: CacheEntry) -> CacheRule:
    """Return what may be kept, for whole seconds."""
    return CacheRule(
        default_seconds=int(entry.default),
        most_seconds=max(1, int(entry.most)),
        vary_on=frozenset(name.lower().encode() for name in entry.vary),
        stale_if_error_seconds=int(entry.stale_if_error),
    )


def hosts(names: Iterable[str]) -> frozenset[str]:
    """Return host names as the table knows them: `.example.com` is `*.example.com`, `*` is any."""
    known = frozenset(f"*{name}" if name.startswith(".") else name for name in names)
    return frozenset() if "*" in known else known


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks that the texts name."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def issuer(name: str, entry: IssuerEntry) -> Issuer:
    """Return an issuer of tokens."""
    return Issuer(
        name=name,
        issuer=entry.issuer,
        jwks_url=entry.jwks_url,
        audience=tuple(entry.audience),
        algorithms=tuple(entry.algorithms),
        user_id=entry.user_id,
        email=entry.email,
        user_type=entry.user_type,
        roles=dict(entry.roles),
        cooldown=entry.cooldown,
    )


def api_key(entry: ApiKeyEntry) -> ApiKey:
    """Return a client's key."""
    return ApiKey(
        name=entry.name,
        digest=bytes.fromhex(entry.sha256),
        user_type=entry.user_type,
        limit=each(entry.rate_limit, limit_rule),
    )


def edge_tls(entry: TlsEntry, folder: Path) -> EdgeTls:
    """Return certificate and key; their paths count from the file's folder."""
    return EdgeTls(folder / entry.certificate, folder / entry.key, entry.http2)
