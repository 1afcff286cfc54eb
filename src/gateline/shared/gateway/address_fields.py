"""Addresses, hosts, origins and networks, with what to write instead of a wrong one."""

import ipaddress
import os
import re
from typing import Annotated, Final
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import AfterValidator

from gateline.shared.config import checks
from gateline.shared.gateway.suggestions import percent_encoded
from gateline.shared.gateway.tables import wrong

_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?")
_PLACEHOLDER: Final = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")
_URI: Final = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_LONGEST_SOCKET_PATH: Final = 107
_ADDRESS: Final = "write http://host:port, https://host or unix:///run/app.sock"
_WEB_ADDRESS: Final = "write https://login.example.com/keys"


def _split(value: str, remedy: str) -> SplitResult:
    """Return the parts of an address that is ASCII, with a host and a port that can be asked."""
    if not value.isascii() or not value.isprintable() or " " in value:
        raise wrong(f"{value!r} has characters that no address has", _in_ascii(value, remedy))
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise wrong(f"{value!r} is no address", remedy) from None
    if port == 0:
        raise wrong(f"{value!r} has port 0, on which nobody answers", "write the service's port")
    if parts.scheme in _DEFAULT_PORTS and parts.hostname and not _is_host(parts.hostname):
        raise wrong(f"{parts.hostname!r} is no host name", remedy)
    return parts


def _in_ascii(value: str, remedy: str) -> str:
    """Return the spelling of a host name with other letters (RFC 3490), else the general remedy."""
    try:
        parts = urlsplit(value)
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except (UnicodeError, ValueError):
        return remedy
    if not _is_host(host) or (parts.hostname or "").isascii():
        return remedy
    return f"write the host as {host}"


def _is_host(name: str) -> bool:
    if ":" not in name:
        return _HOST_NAME.fullmatch(name) is not None
    try:
        ipaddress.IPv6Address(name)
    except ValueError:
        return False
    return True


def _url(value: str) -> str:
    is_socket = value.startswith("unix:")
    parts = _split(value, f"write {percent_encoded(value)}" if is_socket else _ADDRESS)
    if is_socket:
        return _socket(value, parts)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise wrong(f"{value!r} is no address", _ADDRESS)
    if "@" in parts.netloc:
        raise wrong("an address holds no password", "set a header by request_headers instead")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise wrong(
            f"{value!r} has a path",
            f'write url = "{parts.scheme}://{parts.netloc}" and prefix = "{parts.path}"',
        )
    return value.rstrip("/")


def _socket(value: str, parts: SplitResult) -> str:
    path = unquote(parts.path)
    if parts.netloc or len(path) < 2 or "\0" in path or parts.query or parts.fragment:
        raise wrong(f"{value!r} names no socket", "write unix:///run/app.sock")
    if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
        raise wrong(
            "the path of a socket is longer than the system takes",
            f"write one of at most {_LONGEST_SOCKET_PATH} bytes, such as unix:///run/app.sock",
        )
    return value


def _web_url(value: str) -> str:
    parts = _split(value, _WEB_ADDRESS)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise wrong(f"{value!r} is no address", _WEB_ADDRESS)
    if "@" in parts.netloc:
        raise wrong("an address holds no password", "take out what is before the @")
    return value


def _location(value: str) -> str:
    plain = _PLACEHOLDER.sub("", value)
    if "{" in plain or "}" in plain:
        raise wrong(f"a brace of {value!r} has no other", 'write "/new/{path}"')
    if not _URI.fullmatch(plain):
        raise wrong(
            "a place to go holds no spaces or other characters",
            _in_ascii(value, f'percent-encode them: "{percent_encoded(value, keep="?#[]{}")}"'),
        )
    if value.startswith("/") and not value.startswith("//"):
        return value
    no_place = wrong(f"{value!r} is no place to go", 'write "/new/{path}" or "https://host/path"')
    if "{" in value.partition("://")[2].partition("/")[0]:
        raise no_place
    parts = _split(plain, 'write "/new/{path}" or "https://host/path"')
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise no_place
    return value


def _host(value: str) -> str:
    no_host = wrong(
        f"{value!r} is no host name",
        "write it without scheme and port: api.example.com or *.example.com",
    )
    try:
        host = checks.allowed_hosts([value])[0]
    except ValueError:
        raise no_host from None
    name = host.removeprefix("*").removeprefix(".")
    if name and not _is_host(name[1:-1] if name.startswith("[") else name):
        raise no_host
    return host


def _server_name(value: str) -> str:
    if value and not (value.isascii() and _is_host(value)):
        raise wrong(f"{value!r} is no host name", 'write it without scheme and port: "shop.local"')
    return value


def _origin(value: str) -> str:
    remedy = "write scheme, host and port: https://app.example.com"
    try:
        origin = checks.cors_origins([value])[0]
    except ValueError:
        raise wrong(f"{value!r} is no origin", remedy) from None
    if origin == "*":
        return origin
    parts = _split(origin, remedy)
    host = (parts.hostname or "") if ":" not in (parts.hostname or "") else f"[{parts.hostname}]"
    standard = parts.port in (None, _DEFAULT_PORTS[parts.scheme])
    sent = f"{parts.scheme}://{host}" if standard else f"{parts.scheme}://{host}:{parts.port}"
    if sent != origin:
        raise wrong(f"no browser sends {origin!r}", f"write {sent}, as browsers do")
    return origin


def _network(value: str) -> str:
    try:
        return str(checks.networks([value])[0])
    except ValueError:
        raise wrong(f"{value!r} is no address", "write 10.0.0.0/8, 192.168.1.7 or ::1") from None


Url = Annotated[str, AfterValidator(_url)]
WebUrl = Annotated[str, AfterValidator(_web_url)]
Location = Annotated[str, AfterValidator(_location)]
Host = Annotated[str, AfterValidator(_host)]
ServerName = Annotated[str, AfterValidator(_server_name)]
Origin = Annotated[str, AfterValidator(_origin)]
NetworkText = Annotated[str, AfterValidator(_network)]
