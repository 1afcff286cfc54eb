"""Asking whether something answers."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from certificates import Authority, server_context

from gateline.local import probes
from gateline.local.engines import Postgres
from gateline.local.errors import LocalError


@pytest.mark.parametrize(
    ("answer", "ready"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False),
        (b"rubbish\r\n", False),
        (b"", False),
    ],
)
def test_ready_is_what_answers_200(answer: bytes, ready: bool) -> None:
    """Anything else, silence included, is not ready."""
    assert asyncio.run(_probe(answer)) is ready


def test_an_edge_with_tls_is_asked_by_tls(tmp_path: Path) -> None:
    """Whatever name its certificate has; without TLS it cannot be asked."""
    context = server_context(Authority(tmp_path).issue("shop.example.com"))
    answer = b"HTTP/1.1 200 OK\r\n\r\n"

    assert asyncio.run(_probe(answer, context)) is True
    assert asyncio.run(_probe(answer, context, tls=False)) is False


def test_nobody_listening_is_not_ready(unused_port: int) -> None:
    """A refused connection is an answer too."""
    assert asyncio.run(probes.answers_ready("127.0.0.1", unused_port)) is False


def test_a_wrong_password_or_database_is_told_at_once(postgres: Postgres) -> None:
    """Waiting does not help there; the line names the variable and what the server said."""
    url = postgres.url("no_such_database")

    with pytest.raises(
        LocalError, match=r'"no_such_database" does not exist\. Correct DATABASE_URL'
    ):
        asyncio.run(probes.wait_for_database(url, pytest.fail))


def test_a_server_that_answers_is_not_waited_for(database_url: str, redis_url: str) -> None:
    """Nothing is said when all is well."""
    asyncio.run(probes.wait_for_database(database_url, pytest.fail))
    asyncio.run(probes.wait_for_valkey(redis_url, pytest.fail))


@pytest.mark.parametrize(
    ("wait", "url", "told"),
    [
        (
            probes.wait_for_database,
            "postgresql+psycopg://u:geheim@127.0.0.1:{port}/d",
            "Waiting for PostgreSQL at 127.0.0.1:{port}",
        ),
        (
            probes.wait_for_valkey,
            "redis://:geheim@127.0.0.1:{port}/0",
            "Waiting for Valkey at 127.0.0.1:{port}",
        ),
    ],
)
def test_an_absent_server_is_waited_for_and_that_is_said(
    wait: Callable[[str, Callable[[str], None]], Awaitable[None]],
    url: str,
    told: str,
    unused_port: int,
) -> None:
    """One line says where and why, without the password."""
    lines: list[str] = []

    async def scenario() -> None:
        heard = asyncio.Event()

        def say(line: str) -> None:
            lines.append(line)
            heard.set()

        waiting = asyncio.ensure_future(wait(url.format(port=unused_port), say))
        await asyncio.wait_for(heard.wait(), 10)
        waiting.cancel()

    asyncio.run(scenario())
    assert lines[0].startswith(told.format(port=unused_port))
    assert "geheim" not in lines[0]


def test_a_valkey_that_refuses_is_told_at_once(redis_url: str) -> None:
    """A number that the server does not have will not appear by waiting."""
    with pytest.raises(LocalError, match="Correct REDIS_URL"):
        asyncio.run(probes.wait_for_valkey(redis_url.replace("db=0", "db=9999"), pytest.fail))


def test_a_command_needs_its_database_now(unused_port: int) -> None:
    """Commands do not wait; they say what to do."""
    with pytest.raises(LocalError, match="start `gateline up`, or correct DATABASE_URL"):
        probes.require_database(f"postgresql+psycopg://u@127.0.0.1:{unused_port}/d")


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql+psycopg://u:p@db.example:5432/name", "db.example:5432"),
        ("postgresql+psycopg://postgres@/g?host=/a/b%20c&port=5432", "/a/b c"),
        ("unix:///a/valkey.sock?db=0", "/a/valkey.sock"),
        ("redis://:p@10.0.0.1:6379/0", "10.0.0.1:6379"),
    ],
)
def test_a_place_is_shown_without_password(url: str, place: str) -> None:
    """What people see says where, never with what."""
    assert probes.place(url) == place


async def _probe(answer: bytes, context: ssl.SSLContext | None = None, *, tls: bool = True) -> bool:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        tls = tls and context is not None
        return await probes.answers_ready("127.0.0.1", port, tls=tls)
