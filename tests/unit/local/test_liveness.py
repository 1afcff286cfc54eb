"""What the image's HEALTHCHECK says of the service in its container."""

import asyncio
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from certificates import Authority, server_context

from gateline.local.liveness import is_alive


@pytest.mark.parametrize(
    ("status", "alive"),
    [("200 OK", True), ("404 Not Found", True), ("503 Service Unavailable", False)],
)
def test_what_answers_without_failing_lives(status: str, alive: bool) -> None:
    """An app that knows no /livez lives as well."""
    assert asyncio.run(_asked(status, FLASK_HOST="0.0.0.0")) is alive


def test_an_edge_with_certificates_lives(tmp_path: Path) -> None:
    """It speaks https alone, for another name than it is asked by."""
    context = server_context(Authority(tmp_path).issue("shop.example.com"))
    assert asyncio.run(_asked("200 OK", context, FLASK_HOST="127.0.0.1")) is True


def test_where_nobody_listens_nobody_lives(unused_port: int) -> None:
    """The command, as the image runs it, says so with its exit code."""
    assert asyncio.run(is_alive({"FLASK_PORT": str(unused_port)})) is False
    ended = subprocess.run(
        [sys.executable, "-m", "gateline.local.liveness"],
        env={"FLASK_PORT": str(unused_port)},
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (1, b"")


async def _asked(status: str, context: ssl.SSLContext | None = None, **told: str) -> bool:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        return await is_alive({**told, "FLASK_PORT": str(port)})
