"""A service of large and endless bodies, for any server that speaks ASGI.

GET /down?N      N bytes, in pieces of 64 KiB
PUT /up          reads the body and answers how many bytes it had
GET /events      one server-sent event at once, then nothing until the client leaves
GET /left        how many clients have left their events
GET anything     ok
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_PIECE = b"x" * 65536
_left = [0]


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Answer one request."""
    if scope["type"] != "http":
        return
    path = scope["path"]
    if path == "/down":
        await _down(int(scope["query_string"]), send)
    elif path == "/up":
        await _answer(send, b"%d" % await _count(receive))
    elif path == "/events":
        await _events(receive, send)
    elif path == "/left":
        await _answer(send, b"%d" % _left[0])
    else:
        await _answer(send, b"ok")


async def _down(size: int, send: Send) -> None:
    await _start(send, (b"content-length", b"%d" % size))
    while size > 0:
        piece = _PIECE[:size]
        size -= len(piece)
        await send({"type": "http.response.body", "body": piece, "more_body": size > 0})


async def _count(receive: Receive) -> int:
    total = 0
    while True:
        message = await receive()
        total += len(message.get("body", b""))
        if not message.get("more_body"):
            return total


async def _events(receive: Receive, send: Send) -> None:
    await _start(send, (b"content-type", b"text/event-stream"))
    await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass
    _left[0] += 1


async def _answer(send: Send, body: bytes) -> None:
    await _start(send, (b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _start(send: Send, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
