"""What makes a value of a setting acceptable. Every function returns the clean value or raises.

Messages say what would be right and never repeat the value: it may be a secret.
"""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import SplitResult, urlsplit

from pydantic.networks import validate_email

from gateline.policy.clients import Network
from gateline.policy.limits import Limit

MIN_SECRET_BYTES: Final = 32
MIN_PASSWORD_CHARACTERS: Final = 12
USER_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$"
"""What a user name looks like, wherever one is taken."""
HOW_TO_MAKE_ONE: Final = (
    'make one with: python -c "import secrets; print(secrets.token_urlsafe(48))"'
)

_PLACEHOLDER: Final = re.compile(
    r"your[-_ ]?(secret|jwt|key|password|service)|change[-_ ]?(me|this|it)|replace[-_ ]?(me|this)"
    r"|placeholder|example|insecure|flask-secret|dev-secret|not-?(so-)?secret|\bsecret-key\b"
    r"|password123"
    r"|<[^>]*>",
    re.IGNORECASE,
)
_HOST: Final = re.compile(r"(\*\.|\.)?[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\]|\*")
_USER_NAME: Final = re.compile(USER_NAME)
_KEY_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def comma_list(value: object) -> object:
    """Split `a, b,,c` into `("a", "b", "c")`; leave anything that is not a string alone."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def secret_weakness(secret: str) -> str | None:
    """Return what is wrong with a secret for production use, or None when it is good enough."""
    if not secret:
        return f"must be set in production; {HOW_TO_MAKE_ONE}"
    if _PLACEHOLDER.search(secret):
        return f"is a known placeholder; {HOW_TO_MAKE_ONE}"
    if len(secret.encode()) < MIN_SECRET_BYTES:
        return f"must be at least {MIN_SECRET_BYTES} bytes long in production; {HOW_TO_MAKE_ONE}"
    if len(set(secret)) < MIN_SECRET_BYTES // 4:
        return f"repeats too few characters to be random; {HOW_TO_MAKE_ONE}"
    return None


def password_weakness(password: str) -> str | None:
    """Return what is wrong with an administrator's first password, or None."""
    if len(password) < MIN_PASSWORD_CHARACTERS or _PLACEHOLDER.search(password):
        return (
            f"must have at least {MIN_PASSWORD_CHARACTERS} characters and be no placeholder "
            "in production"
        )
    return None


def user_name_or_address(value: str) -> str:
    """Accept what a login takes as a name: a user name, or an e-mail address."""
    if "@" in value:
        try:
            return validate_email(value)[1].lower()
        except ValueError:
            raise ValueError("must be a user name or an e-mail address") from None
    if not _USER_NAME.fullmatch(value):
        raise ValueError(
            "must be a user name of 2 to 63 letters, digits and . _ - (a letter or digit first), "
            "or an e-mail address"
        )
    return value


def database_url(value: str) -> str:
    """Return the URL with the psycopg 3 driver named; accept PostgreSQL only."""
    scheme, separator, rest = value.partition("://")
    known = scheme in {"postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"}
    if not separator or not known:
        raise ValueError("must be a PostgreSQL URL: postgresql://user:password@host:5432/name")
    if not rest.partition("?")[0].partition("/")[2]:
        raise ValueError("names no database: postgresql://user:password@host:5432/name")
    place = rest.partition("?")[0].rpartition("@")[2].partition("/")[0]
    port = place.rpartition("]")[2].partition(":")[2]
    if port and not port.isdecimal():
        raise ValueError(f"names no port: {port}")
    return f"postgresql+psycopg://{rest}"


def redis_url(value: str) -> str:
    """Accept redis://, rediss:// and unix:// URLs."""
    if urlsplit(value).scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("must be a Valkey or Redis URL: redis://host:6379/0 (rediss:// for TLS)")
    return value


def service_url(value: str) -> str:
    """Accept an http(s) URL with a host and nothing after the path; drop a closing slash."""
    parts = _split(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be the address of an HTTP service: http://host:port")
    return value.rstrip("/")


def named_urls(values: Iterable[str]) -> tuple[str, ...]:
    """Accept `name=url` pairs, the name a service's, the URL an HTTP service's."""
    pairs = tuple(values)
    for pair in pairs:
        name, separator, url = pair.partition("=")
        parts = _split(url.strip())
        named = separator and _KEY_NAME.fullmatch(name.strip())
        if not named or parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must list name=url pairs: shop=http://shop:5000,stock=http://stock")
    return pairs


def allowed_hosts(values: Iterable[str]) -> tuple[str, ...]:
    """Accept host names without port; `*.example.com` stands for every name below example.com."""
    hosts = tuple(value.lower() for value in values)
    if not all(_HOST.fullmatch(host) for host in hosts):
        raise ValueError("must list host names without scheme and port: api.example.com,localhost")
    return hosts


def cors_origins(values: Iterable[str]) -> tuple[str, ...]:
    """Accept exact origins (scheme, host, port) or a single `*`."""
    origins = tuple(values)
    if origins == ("*",):
        return origins
    for origin in origins:
        parts = _split(origin)
        exact = origin == f"{parts.scheme}://{parts.netloc}" and "@" not in origin
        if parts.scheme not in {"http", "https"} or not exact or "*" in origin:
            raise ValueError(
                "must list exact origins: https://app.example.com,http://localhost:3000"
            )
    return origins


def networks(values: Iterable[object]) -> tuple[Network, ...]:
    """Accept addresses and CIDR networks."""
    try:
        return tuple(ipaddress.ip_network(str(value), strict=False) for value in values)
    except ValueError:
        raise ValueError("must list addresses or networks: 10.0.0.0/8,192.168.1.7,::1") from None


def rate_limit(value: str) -> str:
    """Accept what `Limit.parse` accepts."""
    try:
        Limit.parse(value)
    except ValueError:
        raise ValueError("must be a count per second, minute, hour or day: 600/minute") from None
    return value


def service_keys(value: str, *, production: bool) -> str:
    """Accept `name:key,name:key`; in production every key must be a good secret."""
    for pair in filter(None, (part.strip() for part in value.split(","))):
        name, separator, key = pair.partition(":")
        if not separator or not key or not _KEY_NAME.fullmatch(name):
            raise ValueError("must be name:key pairs separated by commas: orders:KEY,billing:KEY")
        if production and (weakness := secret_weakness(key)):
            raise ValueError(f"the key of {name} {weakness}")
    return value


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 # reading it is what validates it
    except ValueError:
        return urlsplit("")
    return parts
