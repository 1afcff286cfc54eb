"""One HTTP/1.1 connection to an upstream, on urllib3: strict about answers, bounded in time.

urllib3's time-outs count each read anew, so an upstream that sends a byte now and then holds a
thread for ever. Here every read and write of a connection goes by one deadline.
"""

import http.client
import io
import socket
import ssl
import time
from collections import deque
from email import errors as email_errors
from typing import Any, BinaryIO, Final, cast
from urllib.parse import SplitResult, urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

MAX_IDLE: Final = 32
_IDLE_SECONDS: Final = 30.0
_YOUNG_SECONDS: Final = 1.0
_HARMLESS_DEFECTS: Final = (
    email_errors.StartBoundaryNotFoundDefect,
    email_errors.MultipartInvariantViolationDefect,
)


class InvalidAnswer(http.client.HTTPException):
    """The upstream's answer is not HTTP as we accept it."""


class ConnectFailed(Exception):
    """No connection could be opened: no byte of the request was written."""


class StrictResponse(http.client.HTTPResponse):
    """Refuse heads that the standard library reads generously: it would guess where they end."""

    def __init__(self, sock: "DeadlineSocket", *args: Any, **kwargs: Any) -> None:
        super().__init__(cast("socket.socket", sock), *args, **kwargs)
        self._wire = sock

    def begin(self) -> None:
        """Read the head; raise InvalidAnswer, or ConnectionError for one that breaks off."""
        super().begin()
        if self._wire.ended:
            raise ConnectionAbortedError("the head broke off")
        message = self.msg
        defects = [one for one in message.defects if not isinstance(one, _HARMLESS_DEFECTS)]
        unparsed = not message.is_multipart() and message.get_payload()
        if defects or unparsed:
            raise InvalidAnswer("a header line could not be read")
        if not 200 <= self.status <= 599:
            raise InvalidAnswer("the status is none that an answer can have")
        lengths = {value.strip() for value in message.get_all("content-length", ())}
        if len(lengths) > 1 or not all(one.isascii() and one.isdigit() for one in lengths):
            raise InvalidAnswer("the length is not one number")
        codings = [value.strip().lower() for value in message.get_all("transfer-encoding", ())]
        if codings and (codings != ["chunked"] or lengths):
            raise InvalidAnswer("the framing is ambiguous")


class _DeadlineReader(io.RawIOBase):
    def __init__(self, raw: socket.SocketIO, owner: "DeadlineSocket") -> None:
        self._raw = raw
        self._owner = owner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._owner.arm()
        count = self._raw.readinto(buffer)
        self._owner.ended = count == 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class DeadlineSocket:
    """A socket whose reads and writes all end by one moment.

    `until` is that moment on the monotonic clock; `each` bounds every single operation besides.
    `ended` tells that the other side has hung up.
    """

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner
        self.until: float | None = None
        self.each: float | None = None
        self.ended = False

    def arm(self) -> None:
        """Give the next operation the time that is left; raise TimeoutError when there is none."""
        left = self.each
        if self.until is not None:
            remaining = self.until - time.monotonic()
            left = remaining if left is None else min(left, remaining)
        if left is not None and left <= 0:
            raise TimeoutError("the deadline has passed")
        self._inner.settimeout(left)

    def settimeout(self, value: float | None) -> None:
        """Do nothing: what urllib3 sets would count anew for every operation."""

    def sendall(self, data: Any) -> None:
        """Write everything within the deadline."""
        self.arm()
        self._inner.sendall(data)

    def makefile(self, *_: Any, **__: Any) -> BinaryIO:
        """Return a buffered reader of bytes that minds the deadline."""
        raw = self._inner.makefile("rb", buffering=0)
        return cast("BinaryIO", io.BufferedReader(_DeadlineReader(raw, self)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Connection(HTTPConnection):
    """A plain connection with a deadline and strict answers."""

    response_class = StrictResponse

    def connect(self) -> None:
        """Open the connection and put it under a deadline."""
        super().connect()
        self.sock = cast("socket.socket", DeadlineSocket(self.sock))


class TLSConnection(HTTPSConnection):
    """The same over TLS; the certificate is verified."""

    response_class = StrictResponse

    def connect(self) -> None:
        """Open the connection, shake hands, and put it under a deadline."""
        super().connect()
        self.sock = cast("socket.socket", DeadlineSocket(self.sock))


def set_deadline(
    connection: HTTPConnection, *, until: float | None, each: float | None = None
) -> DeadlineSocket:
    """Bound what an open connection does from now on; return its socket, to bound it again."""
    wire = cast("DeadlineSocket", connection.sock)
    wire.until, wire.each = until, each
    return wire


class Target:
    """One address of a service, and the idle connections to it (used last, reused first)."""

    def __init__(self, url: str, max_idle: int = MAX_IDLE) -> None:
        parts = urlsplit(url)
        self.base_path = parts.path.rstrip("/")
        self._parts: SplitResult = parts
        self._idle: deque[tuple[HTTPConnection, float]] = deque()
        self._max_idle = max_idle

    def take(self, *, young: bool) -> HTTPConnection | None:
        """Return an idle connection that the upstream has not closed, or None.

        With `young` one that was in use until a moment ago: an upstream that closes idle
        connections might close an older one at this very moment, and then nobody could tell
        whether it had read the request.
        """
        longest = _YOUNG_SECONDS if young else _IDLE_SECONDS
        while True:
            try:
                connection, since = self._idle.pop()
            except IndexError:
                return None
            if time.monotonic() - since <= longest and connection.is_connected:
                return connection
            connection.close()

    def connect(self, timeout: float) -> HTTPConnection:
        """Return a new open connection; raise ConnectFailed."""
        secure = self._parts.scheme == "https"
        kind = TLSConnection if secure else Connection
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=timeout)
        try:
            connection.connect()
        except (OSError, HTTPError, ssl.SSLError, http.client.HTTPException) as error:
            connection.close()
            raise ConnectFailed(type(error).__name__) from error
        return connection

    def give_back(self, connection: HTTPConnection) -> None:
        """Keep a connection whose answer was read to its end, when it may be used again."""
        if connection.is_closed:
            return
        if len(self._idle) >= self._max_idle:
            connection.close()
        else:
            self._idle.append((connection, time.monotonic()))

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop()[0].close()
