"""Ask whether something answers: our services over HTTP, outside servers over their protocol."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from urllib.parse import parse_qs, unquote, urlsplit

from gateline.local.errors import LocalError

_OK = 200
_PROBE_SECONDS = 2.0
_POLL_SECONDS = 0.5
_SAY_AGAIN_SECONDS = 10.0
_PATIENCE_SECONDS = 300.0
_PASSING = ("starting up", "shutting down", "in recovery", "too many", "slots are reserved")


async def answers_ready(
    host: str, port: int, *, name: str = "localhost", tls: bool = False
) -> bool:
    """Tell whether `GET /readyz` is answered with 200; `name` goes into the Host header."""
    return await status_of(host, port, "/readyz", name=name, tls=tls) == _OK


async def status_of(
    host: str, port: int, path: str, *, name: str = "localhost", tls: bool = False
) -> int | None:
    """Return the status with which a GET is answered, None when there is no answer.

    With `tls` whatever certificate is shown is taken: it is ours, and for another name.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
        async with asyncio.timeout(_PROBE_SECONDS):
            reader, writer = await asyncio.open_connection(
                host, port, ssl=_unverified() if tls else None
            )
            try:
                writer.write(request.encode())
                status = await reader.readuntil(b"\r\n")
            finally:
                writer.close()
        words = status.split(b" ", 2)
        return int(words[1]) if len(words) > 1 and words[1].isdigit() else None
    return None


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def wait_for_database(url: str, say: Callable[[str], None]) -> None:
    """Wait until an outside PostgreSQL takes connections.

    Raises LocalError when waiting is no use: wrong password, no such database, no such driver.
    """
    await _wait("PostgreSQL", "DATABASE_URL", url, _try_database, say)


def require_database(url: str) -> None:
    """Raise LocalError unless PostgreSQL takes connections now."""
    if (reason := _try_database(url)) is not None:
        raise LocalError(
            f"PostgreSQL at {place(url)} does not answer ({reason}): start `gateline up`, or "
            "correct DATABASE_URL."
        )


async def wait_for_valkey(url: str, say: Callable[[str], None]) -> None:
    """Wait until an outside Valkey or Redis answers; raise LocalError when it refuses us."""
    await _wait("Valkey", "REDIS_URL", url, _try_valkey, say)


async def _wait(
    server: str,
    variable: str,
    url: str,
    attempt: Callable[[str], str | None],
    say: Callable[[str], None],
) -> None:
    clock = asyncio.get_running_loop().time
    started, spoke = clock(), float("-inf")
    while (reason := await asyncio.to_thread(attempt, url)) is not None:
        if clock() - started > _PATIENCE_SECONDS:
            raise LocalError(f"{server} at {place(url)} does not answer: check {variable}.")
        if clock() - spoke >= _SAY_AGAIN_SECONDS:
            spoke = clock()
            say(f"Waiting for {server} at {place(url)} ({reason}); {variable} says it is there")
        await asyncio.sleep(_POLL_SECONDS)


def _try_database(url: str) -> str | None:
    """Return None when connected, the reason to go on waiting, or raise LocalError."""
    import psycopg

    try:
        plain = url.replace("postgresql+psycopg://", "postgresql://", 1)
        psycopg.connect(plain, connect_timeout=5).close()
    except psycopg.OperationalError as error:
        reason = _reason(error)
        # What the server itself refuses does not heal by waiting, unless it says so.
        if "FATAL" in str(error) and not any(word in reason for word in _PASSING):
            raise LocalError(
                f"PostgreSQL at {place(url)} refuses: {reason}. Correct DATABASE_URL."
            ) from error
        return reason
    except psycopg.Error as error:
        raise LocalError(f"DATABASE_URL is not usable: {_reason(error)}.") from error
    return None


def _try_valkey(url: str) -> str | None:
    """Return None when it answers, the reason to go on waiting, or raise LocalError."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    try:
        with redis.Redis.from_url(
            url, socket_timeout=3.0, socket_connect_timeout=3.0, retry=Retry(NoBackoff(), 0)
        ) as client:
            client.ping()
    except (redis.AuthenticationError, redis.ResponseError, ValueError) as error:
        if isinstance(error, redis.exceptions.BusyLoadingError):
            return "it is loading its data"
        raise LocalError(
            f"Valkey at {place(url)} refuses: {_reason(error)}. Correct REDIS_URL."
        ) from error
    except redis.RedisError as error:
        return _reason(error)
    return None


def place(url: str) -> str:
    """Return where a server is: host and port, or the path of its socket; never the password."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2] or parse_qs(parts.query).get("host", [""])[0]
    return unquote(host or parts.path)


def _reason(error: Exception) -> str:
    """Return the end of the first line: clients put the place before it and advice below it."""
    first = next(iter(str(error).splitlines()), "") or type(error).__name__
    for mark in ("failed: ", "FATAL:  ", "connecting to "):
        first = first.rpartition(mark)[2]
    return first.rstrip(".")
