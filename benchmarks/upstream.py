"""The service behind every contender: an HTTP/1.1 server that does as little as possible."""

import asyncio
import sys
from typing import cast

import httptools
import uvloop

_BODY = b'{"id":7,"name":"Dana","specialty":"cardiology"}'
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(_BODY),
    _BODY,
)


class Connection(asyncio.Protocol):
    """Answers every request with the same document."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start reading requests."""
        # uvloop's transports are no subclasses of asyncio's, they only behave alike.
        self.transport = cast("asyncio.Transport", transport)
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Answer."""
        self.transport.write(_ANSWER)


async def main(port: int) -> None:
    """Serve on the loopback interface until ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
