"""What every pool of connections to an upstream tells, whatever protocol it speaks."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from gateline.edge.upstream.request import BodyStream, Headers
from gateline.edge.upstream.response import Response
from gateline.edge.upstream.target import Target


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a pool and of the responses it lets in.

    `idle_seconds` is how long a connection may rest (less when the upstream asks for less),
    `dns_seconds` how long a name's addresses are believed. `high_water` is how much of a streamed
    body is buffered before the socket is paused. Bodies with an announced length up to
    `hold_bytes` are handed over only when whole. `max_streams` is how many requests share one
    connection of HTTP/2 (less when the upstream allows less).
    """

    max_connections: int = 1024
    max_idle: int = 256
    max_waiting: int = 1024
    idle_seconds: float = 30.0
    dns_seconds: float = 30.0
    max_head_bytes: int = 64 * 1024
    max_headers: int = 200
    high_water: int = 256 * 1024
    hold_bytes: int = 64 * 1024
    max_streams: int = 100


class Pool(ABC):
    """The connections to one target.

    `opened_total` counts connections, `reused_total` requests that found one open.
    """

    __slots__ = ("limits", "opened_total", "reused_total", "target")

    def __init__(self, target: Target, limits: Limits | None = None) -> None:
        self.target = target
        self.limits = Limits() if limits is None else limits
        self.opened_total = 0
        self.reused_total = 0

    @property
    @abstractmethod
    def open(self) -> int:
        """Count the connections that exist, those being connected or closed included."""

    @property
    @abstractmethod
    def idle(self) -> int:
        """Count the connections that rest."""

    @property
    @abstractmethod
    def in_use(self) -> int:
        """Count the requests that are being answered: what a balancer compares."""

    @property
    @abstractmethod
    def waiting(self) -> int:
        """Count the callers in line."""

    @abstractmethod
    async def send(
        self,
        method: bytes,
        path: bytes,
        headers: Headers,
        body: bytes | BodyStream | None = None,
        *,
        deadline: float,
        connect_timeout: float = 5.0,
        read_timeout: float = 30.0,
    ) -> Response:
        """Send one request and return its final response, as soon as its head is there.

        `path` goes out byte for byte. `deadline` (in the loop's time) bounds everything until the
        response is handed over; a body that is streamed after that is bounded by `read_timeout`
        between two reads. Raise ValueError for what must not be sent, otherwise only subclasses
        of UpstreamError and what a BodyStream raises. Cancelling ends the exchange at once: it
        closes the connection, or with HTTP/2 resets the stream.
        """

    @abstractmethod
    async def aclose(self, grace: float = 0.0) -> None:
        """Refuse new requests, let those in flight finish within `grace` seconds, then cut them."""
