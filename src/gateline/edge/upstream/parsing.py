"""Responses from bytes: llhttp in its strict form, and the rules that it leaves to its users."""

import httptools

from gateline.edge.upstream.errors import InvalidResponse

_VERSIONS = (b"HTTP/1.1 ", b"HTTP/1.0 ")
_WATCHED_LENGTHS = frozenset({len(b"keep-alive"), len(b"transfer-encoding")})
_NO_BODY = frozenset({204, 304})


class ResponseParser:
    """Collect one response after the other from the bytes of a connection; no I/O.

    Between `expect` and `complete`, `feed` takes bytes. `status`, `headers` and `keep_alive` are
    valid once `head_complete`; body bytes gather in `chunks`, which the owner empties.
    `extra` tells that bytes followed the response: the connection cannot be trusted any further.
    Methods named `on_…` are called by llhttp.
    """

    __slots__ = (
        "_chunked",
        "_doubtful",
        "_head_only",
        "_llhttp",
        "_max_head_bytes",
        "_max_headers",
        "_quiet",
        "_sink",
        "chunks",
        "complete",
        "extra",
        "head_complete",
        "headers",
        "idle_seconds",
        "keep_alive",
        "on_body",
        "status",
    )

    def __init__(self, *, max_head_bytes: int, max_headers: int) -> None:
        self._max_head_bytes = max_head_bytes
        self._max_headers = max_headers
        self.chunks: list[bytes] = []
        self.on_body = self.chunks.append
        self.headers: list[tuple[bytes, bytes]] = []
        self._sink: list[tuple[bytes, bytes]] = []
        self.status = 0
        self.keep_alive = self.extra = self._doubtful = False
        self._llhttp: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self.expect(head_only=False)

    def expect(self, *, head_only: bool) -> None:
        """Get ready for the next response; `head_only` when the request was a HEAD."""
        self._head_only = head_only
        self.head_complete = self.complete = self._chunked = False
        self.idle_seconds: float | None = None
        self._quiet = 0
        self._sink.clear()

    @property
    def started(self) -> bool:
        """Tell whether any byte of the response has come."""
        return self._quiet > 0 or self.head_complete

    def feed(self, data: bytes) -> None:
        """Take bytes; raise InvalidResponse as soon as they cannot be an acceptable response."""
        if not self._quiet and not self.head_complete and not data.startswith(_VERSIONS):
            self._check_start(data)
        self._quiet += len(data)
        llhttp = self._llhttp
        if llhttp is None:
            return
        try:
            llhttp.feed_data(data)
        except httptools.HttpParserError as error:
            if not self.complete:
                raise _translated(error) from None
            self.extra = True
        if not self.complete:
            self._check_progress()
        elif self._head_only:
            self._renew()

    def finish(self) -> bool:
        """Take the peer's end of stream; tell whether it ends the body as it should."""
        if not self.head_complete or self._chunked or self.content_length() is not None:
            return False
        self.complete = True
        return True

    def content_length(self) -> int | None:
        """Return the announced length of the body; llhttp has made sure that there is one only."""
        for name, value in self.headers:
            if len(name) == 14 and name.lower() == b"content-length":
                return int(value)
        return None

    def release(self) -> None:
        """Let go of llhttp, which refers back to this object."""
        self._llhttp = None

    def on_message_begin(self) -> None:
        """Stop at a message where none is due, before its body mixes with ours."""
        if self.complete:
            raise InvalidResponse("bytes after the end of the response")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header, or one trailer, which is dropped."""
        self._sink.append((name, value))

    def on_headers_complete(self) -> None:
        """Judge the head; an interim one (1xx) is skipped."""
        llhttp = self._llhttp
        if llhttp is None:
            return
        status = llhttp.get_status_code()
        if not 200 <= status <= 599:
            _check_interim(status)
            return
        headers = self._sink
        if len(headers) > self._max_headers or self._quiet > self._max_head_bytes or self._doubtful:
            self._check_head(llhttp, headers)
        self._sink = []
        self.status = status
        self.headers = headers
        self.keep_alive = llhttp.should_keep_alive()
        for name, value in headers:
            if len(name) in _WATCHED_LENGTHS:
                self._inspect(name.lower(), value)
        self.head_complete = True
        self.complete = self._head_only

    def on_message_complete(self) -> None:
        """Notice the end of the body, or of an interim response."""
        if self.head_complete:
            self.complete = True
        else:
            self._sink.clear()

    def _inspect(self, name: bytes, value: bytes) -> None:
        if name == b"transfer-encoding":
            # Any other coding would reach our client undecoded and unnamed.
            if self._chunked or value.strip().lower() != b"chunked":
                raise InvalidResponse(f"transfer-encoding {value[:80]!r} instead of chunked")
            self._chunked = self.status not in _NO_BODY
        elif name == b"keep-alive":
            self.idle_seconds = _idle_seconds(value)

    def _check_start(self, data: bytes) -> None:
        # llhttp takes RTSP, HTTP/2.0 and empty lines before the status line; we do not.
        if not any(version.startswith(data) for version in _VERSIONS):
            raise InvalidResponse(f"not an HTTP/1.x response: {data[:40]!r}")
        self._doubtful = True

    def _check_head(
        self, llhttp: httptools.HttpResponseParser, headers: list[tuple[bytes, bytes]]
    ) -> None:
        if len(headers) > self._max_headers:
            raise InvalidResponse(f"more than {self._max_headers} response headers")
        # The bytes so far may include some of the body: only now is the head measured.
        if sum(len(name) + len(value) + 4 for name, value in headers) > self._max_head_bytes:
            raise InvalidResponse(f"response head over {self._max_head_bytes} bytes")
        if self._doubtful and llhttp.get_http_version() not in ("1.0", "1.1"):
            raise InvalidResponse("not an HTTP/1.x response")
        self._doubtful = False

    def _check_progress(self) -> None:
        # Bounds heads, trailers, chunk extensions and floods of interim responses alike.
        if self.chunks:
            self._quiet = 0
        elif self._quiet > self._max_head_bytes:
            raise InvalidResponse(f"over {self._max_head_bytes} bytes without an end of the head")

    def _renew(self) -> None:
        # llhttp waits for the body that a HEAD announces and cannot be told otherwise.
        if self.chunks:
            self.extra = True
            self.chunks.clear()
        self._llhttp = httptools.HttpResponseParser(self)


def _check_interim(status: int) -> None:
    if status == 101:
        raise InvalidResponse("the upstream switched protocols unasked")
    if not 100 <= status < 200:
        raise InvalidResponse(f"status {status} is outside of 200 to 599")


def _translated(error: httptools.HttpParserError) -> InvalidResponse:
    cause = error.__context__
    return cause if isinstance(cause, InvalidResponse) else InvalidResponse(str(error))


def _idle_seconds(value: bytes) -> float | None:
    """Read the seconds from `timeout=5, max=100`."""
    for part in value.split(b","):
        key, _, number = part.strip().partition(b"=")
        if key.lower() == b"timeout" and number.isdigit() and len(number) < 10:
            return float(number)
    return None
