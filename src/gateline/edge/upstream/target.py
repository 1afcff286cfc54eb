"""Where an upstream listens."""

import ssl
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """One address of an upstream: `http`, `https` or `unix`.

    `tls` is the context that verifies the upstream's certificate; it is set exactly for `https`.
    `server_name` is asked for and verified there instead of `host`. With `http2` the upstream is
    known to speak HTTP/2. `authority` is what goes into a `Host` header that the caller left out.
    """

    scheme: str
    host: str
    port: int
    unix_path: str | None = None
    tls: ssl.SSLContext | None = None
    server_name: str = ""
    http2: bool = False
    authority: bytes = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Check that the parts fit together and derive the authority."""
        if (self.tls is not None) != (self.scheme == "https"):
            raise ValueError("a TLS context belongs to https, and to https only")
        host = f"[{self.host}]" if ":" in self.host else self.host
        standard = self.unix_path is not None or _DEFAULT_PORTS.get(self.scheme) == self.port
        authority = host if standard else f"{host}:{self.port}"
        object.__setattr__(self, "authority", authority.encode("ascii"))

    @classmethod
    def parse(
        cls,
        url: str,
        *,
        tls: ssl.SSLContext | None = None,
        server_name: str = "",
        http2: bool = False,
    ) -> Self:
        """Read `http://host:port`, `https://host` or `unix:///run/service.sock`.

        Raise ValueError for anything that would be ignored: user info, path, query, fragment.
        Without `tls`, https verifies against the system's certificates; for anything but https
        `tls` and `server_name` have no meaning and are left out.
        """
        parts = urlsplit(url)
        if parts.scheme == "unix":
            return cls._parse_unix(url, parts.netloc, unquote(parts.path), http2=http2)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError(f"an upstream is http://, https:// or unix:///, not {url!r}")
        if parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError(f"an upstream is scheme, host and port, nothing more: {url!r}")
        port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
        if parts.scheme == "http":
            return cls(parts.scheme, parts.hostname, port, http2=http2)
        context = tls or ssl.create_default_context()
        return cls(
            parts.scheme, parts.hostname, port, tls=context, server_name=server_name, http2=http2
        )

    @classmethod
    def _parse_unix(cls, url: str, netloc: str, path: str, *, http2: bool) -> Self:
        if netloc or len(path) < 2:
            raise ValueError(f"a Unix socket is unix:///absolute/path, not {url!r}")
        return cls("unix", "localhost", 0, unix_path=path, http2=http2)

    def __str__(self) -> str:
        if self.unix_path is not None:
            return f"unix://{self.unix_path}"
        return f"{self.scheme}://{self.authority.decode()}"
