"""The addresses behind a name, looked up again and again for as long as they are used."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence

Addresses = tuple[str, ...]
Lookup = Callable[[str, int], Awaitable[Sequence[str]]]

# After a failure: sooner than after an answer, and never in a tight loop.
_RETRY_SECONDS = 5.0
_log = logging.getLogger(__name__)


async def look_up(host: str, port: int) -> Sequence[str]:
    """Ask the system for the numeric addresses of a name; raise OSError when there are none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class Resolver:
    """Knows the addresses of one name, at most `seconds` old while `in_use` says they are used.

    A lookup that fails changes nothing: the last answer stays good. `moved` is called with the
    addresses whenever others than before are found. Nobody asks the system twice at a time.
    """

    __slots__ = (
        "_addresses",
        "_asked",
        "_closed",
        "_due",
        "_host",
        "_in_use",
        "_look_up",
        "_moved",
        "_port",
        "_seconds",
        "_timer",
    )

    def __init__(
        self,
        host: str,
        port: int,
        seconds: float,
        *,
        moved: Callable[[Addresses], None],
        in_use: Callable[[], bool],
        look_up: Lookup = look_up,
    ) -> None:
        self._host = host
        self._port = port
        self._seconds = seconds
        self._moved = moved
        self._in_use = in_use
        self._look_up = look_up
        self._addresses: Addresses = ()
        self._due = 0.0
        self._asked: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def known(self) -> Addresses:
        """The addresses that were found last."""
        return self._addresses

    async def addresses(self) -> Addresses:
        """Return the addresses, looked up when those that are known are too old.

        Raise OSError when none were ever found.
        """
        if self._addresses and asyncio.get_running_loop().time() < self._due:
            return self._addresses
        asked = self._ask()
        # Several callers wait for one answer: one that gives up must not take it from the others.
        await asyncio.wait({asked})
        error = None if asked.cancelled() else asked.exception()
        if not self._addresses:
            raise OSError(f"{self._host} cannot be looked up: {error}")
        return self._addresses

    def close(self) -> None:
        """Look up nothing more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._asked is not None:
            self._asked.cancel()

    def _ask(self) -> "asyncio.Task[None]":
        if self._asked is None or self._asked.done():
            self._asked = asyncio.get_running_loop().create_task(self._refresh())
            self._asked.add_done_callback(self._note)
        return self._asked

    async def _refresh(self) -> None:
        # A set: several families and socket kinds give one address more than once.
        found = tuple(dict.fromkeys(await self._look_up(self._host, self._port)))
        if not found:
            raise OSError("no address")
        if set(found) != set(self._addresses):
            before, self._addresses = self._addresses, found
            if before:
                _log.info("%s moved to %s", self._host, ", ".join(found))
                self._moved(found)

    def _note(self, asked: "asyncio.Task[None]") -> None:
        if self._closed or asked.cancelled():
            return
        loop = asked.get_loop()
        error = asked.exception()
        wait = self._seconds if error is None else min(_RETRY_SECONDS, self._seconds)
        self._due = loop.time() + wait
        if error is not None:
            _log.warning("%s cannot be looked up: %s", self._host, error)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(self._due, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        if self._in_use() and not self._closed:
            self._ask()
