"""Whom a request counts for: the value by which a limit is kept apart."""

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Final

from gateline.edge.exchange import Exchange
from gateline.policy.clients import client_network
from gateline.policy.gcra import LimitedBy, LimitRule

KeyOf = Callable[[Exchange], str]

_SERVICE_KEY: Final = b"x-service-key"


def key_of(rule: LimitRule) -> KeyOf:
    """Return the function that names whom a request counts for under this rule."""
    if rule.by == "header":
        return partial(_by_header, name=rule.header)
    return _KEYS[rule.by]


def _by_client(exchange: Exchange) -> str:
    return client_network(exchange.client)


def _by_user(exchange: Exchange) -> str:
    identity = exchange.identity
    if identity is None:
        return _by_client(exchange)
    if identity.consumer:
        return f"key:{identity.consumer}"
    return f"user:{identity.issuer}:{identity.user_id}"


def _by_service_key(exchange: Exchange) -> str:
    """Return the name of an API key, or a service key's hash: what is stored opens nothing."""
    identity = exchange.identity
    if identity is not None and identity.consumer:
        return f"key:{identity.consumer}"
    key = exchange.fields.get(_SERVICE_KEY)
    return _by_client(exchange) if not key else f"hash:{_digest(key)}"


def _by_route(_: Exchange) -> str:
    return "all"


def _by_header(exchange: Exchange, *, name: bytes) -> str:
    """Return the value's hash, so that a key is short; without the header the address."""
    value = exchange.fields.get(name)
    return _by_client(exchange) if value is None else f"value:{_digest(value)}"


def _digest(value: bytes) -> str:
    return hashlib.blake2b(value, digest_size=12).hexdigest()


_KEYS: Final[dict[LimitedBy, KeyOf]] = {
    "client": _by_client,
    "user": _by_user,
    "service_key": _by_service_key,
    "route": _by_route,
}
