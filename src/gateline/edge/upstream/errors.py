"""What can go wrong with an upstream, told apart by what a gateway must know."""

from typing import ClassVar, Literal

Phase = Literal["queue", "connect", "send", "response", "body"]


class UpstreamError(Exception):
    """Base of every failure of an exchange with an upstream.

    `reason` is the stable code of the refusal that fits. `bytes_written` is the most bytes of the
    request that can have reached the upstream: 0 proves that it saw nothing, so that anything may
    be repeated. `reused` tells that the connection had served an earlier request.
    """

    reason: ClassVar[str] = "upstream_broken"

    def __init__(self, message: str, *, bytes_written: int = 0, reused: bool = False) -> None:
        super().__init__(message)
        self.bytes_written = bytes_written
        self.reused = reused

    @property
    def may_have_arrived(self) -> bool:
        """Tell whether any byte of the request may have reached the upstream."""
        return self.bytes_written > 0


class ConnectFailed(UpstreamError):
    """No connection came about, so no byte of the request was written; always repeatable."""

    reason: ClassVar[str] = "upstream_refused"


class PoolExhausted(UpstreamError):
    """Every connection is in use and the queue is full, or the pool is closing."""

    reason: ClassVar[str] = "overloaded"


class ConnectionLost(UpstreamError):
    """The connection ended before the answer did; the request may have been processed."""


class StaleConnection(ConnectionLost):
    """A reused connection ended before the first byte of an answer.

    Most often the upstream had closed it for idleness and never saw the request, but that cannot
    be known (RFC 9112, section 9.3.1): repeat only what is safe, unless `bytes_written` is 0.
    """


class BodyTruncated(ConnectionLost):
    """The body ended before its announced end; what was read so far is not the whole."""


class InvalidResponse(UpstreamError):
    """The upstream answered something that is not acceptable HTTP/1.x."""

    reason: ClassVar[str] = "upstream_invalid"


class UpstreamTimeout(UpstreamError):
    """The upstream was too slow in `phase`; nothing was written in `queue` and `connect`."""

    reason: ClassVar[str] = "upstream_timeout"

    def __init__(self, phase: Phase, *, bytes_written: int = 0, reused: bool = False) -> None:
        super().__init__(
            f"upstream timed out ({phase})", bytes_written=bytes_written, reused=reused
        )
        self.phase: Phase = phase
