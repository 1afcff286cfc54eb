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
    `authority` is what goes into a `Host` header that the caller left out.
    """

    scheme: str
    host: str
    port: int
    unix_path: str | None = None
    tls: ssl.SSLContext | None = None
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
    def parse(cls, url: str, *, tls: ssl.SSLContext | None = None) -> Self:
        """Read `http://host:port`, `https://host` or `unix:///run/service.sock`.

        Raise ValueError for anything that would be ignored: user info, path, query, fragment.
        Without `tls`, https verifies against the system's certificates.
        """
        parts = urlsplit(url)
        if parts.scheme == "unix":
            return cls._parse_unix(url, parts.netloc, unquote(parts.path))
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError(f"an upstream is http://, https:// or unix:///, not {url!r}")
        if parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError(f"an upstream is scheme, host and port, nothing more: {url!r}")
        if parts.scheme == "https" and tls is None:
            tls = ssl.create_default_context()
        port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
        return cls(parts.scheme, parts.hostname, port, tls=tls)

    @classmethod
    def _parse_unix(cls, url: str, netloc: str, path: str) -> Self:
        if netloc or len(path) < 2:
            raise ValueError(f"a Unix socket is unix:///absolute/path, not {url!r}")
        return cls("unix", "localhost", 0, unix_path=path)

    def __str__(self) -> str:
        if self.unix_path is not None:
            return f"unix://{self.unix_path}"
        return f"{self.scheme}://{self.authority.decode()}"
