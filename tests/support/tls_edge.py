"""A real edge that speaks TLS alone, and with it HTTP/2."""

import ssl
from pathlib import Path

import httpx
from certificates import Authority
from running_edge import RunningEdge


class TlsEdge(RunningEdge):
    """An edge whose file names the certificate `127.0.0.1.pem`; `context` believes it."""

    def __init__(self, folder: Path, environment: dict[str, str], *, workers: int = 1) -> None:
        super().__init__(folder, environment)
        authority = Authority(folder)
        authority.issue("127.0.0.1")
        self.context = ssl.create_default_context(cafile=authority.path)
        self._workers = workers

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"https://127.0.0.1:{self.port}"

    def command(self) -> tuple[str, ...]:
        """Return its command line."""
        return (*super().command(), "--workers", str(self._workers))

    def client(self) -> httpx.Client:
        """Return a client that speaks HTTP/2."""
        return httpx.Client(http2=True, verify=self.context, base_url=self.url, timeout=15.0)

    def _serves(self) -> bool:
        try:
            return httpx.get(f"{self.url}/livez", verify=self.context).status_code == 200
        except httpx.TransportError:
            return False
