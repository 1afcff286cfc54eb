"""A worker's last moments: each answer tells its client to come again on a new connection."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from gateline.edge.exchange import Message, Receive, Scope, Send

_CLOSE: Final = (b"connection", b"close")
_HTTP2: Final = "2"

Handle = Callable[[Scope, Receive, Send], Coroutine[Any, Any, object]]


def saying_goodbye(handle: Handle) -> Handle:
    """Return a handler that answers as `handle` does and closes each HTTP/1.1 connection after it.

    So no client sends its next request just as the connection is closed under it (RFC 9112,
    section 9.6). HTTP/2 has its own word for that, which the server says.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_last(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [pair for pair in message["headers"] if pair[0] != b"connection"]
                message = {**message, "headers": [*kept, _CLOSE]}
            await send(message)

        await handle(scope, receive, send if scope["http_version"] == _HTTP2 else send_last)

    return answer
