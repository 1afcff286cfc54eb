"""The service behind the sockets of a benchmark: says everything again; `count` asks how many."""

import sys

import uvloop
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

_open: set[ServerConnection] = set()


async def _answer(connection: ServerConnection) -> None:
    _open.add(connection)
    try:
        async for message in connection:
            await connection.send(str(len(_open)) if message == "count" else message)
    except ConnectionClosed:
        pass
    finally:
        _open.discard(connection)


def _health(connection: ServerConnection, request: Request) -> Response | None:
    return connection.respond(200, "well\n") if request.path == "/" else None


async def main(port: int) -> None:
    """Serve on the loopback interface until ended."""
    server: Server = await serve(
        _answer,
        "127.0.0.1",
        port,
        compression=None,
        ping_interval=None,
        backlog=4096,
        process_request=_health,
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
