"""The request's body: whole when it is small, a stream with back-pressure when it is not."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from gateline.edge.exchange import ClientGone, Exchange, Message, Refused
from gateline.policy.reasons import BAD_REQUEST, PAYLOAD_TOO_LARGE

BUFFERED_BYTES: Final = 64 * 1024
_PATIENCE_SECONDS: Final = 20.0
_LEAST_BYTES_PER_SECOND: Final = 512


class RequestBody:
    """Reads one request's body from the server, at most `most` bytes of it.

    A client has 20 s for each piece, and overall 20 s plus what 512 bytes a second would take; the
    time in which the upstream does not take what was read does not count.
    """

    def __init__(self, exchange: Exchange, most: int) -> None:
        self._exchange = exchange
        self._most = most
        self._waited = 0.0

    async def read(self) -> bytes | AsyncIterator[bytes]:
        """Return bytes when the body has at most 64 KiB (it may be sent twice), else a stream.

        Raises Refused (413) and ClientGone, the stream too.
        """
        announced = int(self._exchange.fields.get(b"content-length", 0))
        if announced > self._most:
            raise Refused(PAYLOAD_TOO_LARGE)
        head = bytearray()
        while len(head) <= BUFFERED_BYTES and announced <= BUFFERED_BYTES:
            head += await self._next()
            if self._exchange.body_done:
                self._exchange.client_seconds += self._waited
                return bytes(head)
        return self._stream(bytes(head))

    async def _stream(self, head: bytes) -> AsyncIterator[bytes]:
        if head:
            yield head
        while not self._exchange.body_done:
            chunk = await self._next()
            if chunk:
                yield chunk

    async def _next(self) -> bytes:
        exchange = self._exchange
        loop = asyncio.get_running_loop()
        asked = loop.time()
        earned = exchange.received_bytes / _LEAST_BYTES_PER_SECOND
        exchange.deadline = asked + min(
            _PATIENCE_SECONDS, _PATIENCE_SECONDS + earned - self._waited
        )
        message = await exchange.receive()
        exchange.deadline = None
        self._waited += loop.time() - asked
        if message["type"] == "http.disconnect":
            raise _broken_off(exchange)
        chunk: bytes = message.get("body", b"")
        exchange.received_bytes += len(chunk)
        if exchange.received_bytes > self._most:
            raise Refused(PAYLOAD_TOO_LARGE)
        exchange.body_done = not message.get("more_body", False)
        return chunk


async def find_body(exchange: Exchange) -> None:
    """Learn whether there is a body where the head does not tell; all of it can be read still.

    Raises ClientGone.
    """
    exchange.deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    receive = exchange.receive
    first = await receive()
    exchange.deadline = None
    if first["type"] == "http.disconnect":
        raise ClientGone
    if not first.get("body") and not first.get("more_body", False):
        exchange.body_done = True
        return

    async def again() -> Message:
        exchange.receive = receive
        return first

    exchange.receive = again


def _broken_off(exchange: Exchange) -> Exception:
    """Return what to make of a body that ends before its end.

    The server tells of chunks that it cannot read as it tells of a client that left: both get the
    answer of the former. A body of announced length can only end early because its client left.
    """
    if b"transfer-encoding" not in exchange.fields:
        return ClientGone()
    message = "The request's body broke off, or its chunks cannot be read."
    return Refused(BAD_REQUEST, [(b"connection", b"close")], message)
