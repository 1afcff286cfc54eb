"""What every pool of connections to an upstream tells, whatever protocol it speaks."""

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import cast

from gateline.edge.upstream.dialing import Dialer
from gateline.edge.upstream.errors import ConnectFailed, UpstreamTimeout
from gateline.edge.upstream.request import BodyStream, Headers
from gateline.edge.upstream.resolving import Addresses, Lookup, look_up
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

    __slots__ = ("_dialer", "limits", "opened_total", "reused_total", "target")

    def __init__(
        self, target: Target, limits: Limits | None = None, *, look_up: Lookup = look_up
    ) -> None:
        self.target = target
        self.limits = Limits() if limits is None else limits
        self.opened_total = 0
        self.reused_total = 0
        self._dialer = Dialer(
            target,
            self.limits.dns_seconds,
            moved=self._leave,
            in_use=lambda: self.open > 0,
            look_up=look_up,
        )

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

    async def check(self, deadline: float) -> None:
        """Open a connection that is used for nothing; raise ConnectFailed or UpstreamTimeout."""
        visit = _Visit()
        try:
            await self._dialer.dial(visit, deadline)
        except (OSError, UnicodeError) as error:
            raise self._connect_error(error) from error
        finally:
            visit.leave()

    @abstractmethod
    def _leave(self, addresses: Addresses) -> None:
        """End the connections to other addresses than these, each after its exchanges."""

    def _connect_error(self, error: BaseException) -> BaseException:
        """Return what a failure to connect means to those who send requests."""
        if isinstance(error, TimeoutError):
            return UpstreamTimeout("connect")
        if isinstance(error, (OSError, UnicodeError)):
            return ConnectFailed(f"{self.target}: {error}")
        return error


class _Visit(asyncio.Protocol):
    """A connection that only shows that one comes about."""

    _transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember what is to be closed."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def leave(self) -> None:
        """Close the socket if there is one."""
        if self._transport is not None:
            self._transport.abort()
