"""Open sockets to services are looked after: idle ones end, silent services are asked."""

import asyncio
from typing import Any, cast

import pytest

from gateline.edge.sockets.proxying import Patience, Proxied, SocketProxy

PATIENCE = Patience(idle=100.0, ping=30.0, pong=20.0)


class Upstream:
    """Stands in for the service's end."""

    def __init__(self) -> None:
        self.heard = 0.0
        self.pinged: float | None = None
        self.paused = False
        self.pings = 0

    def ping(self) -> None:
        """Count it."""
        self.pings += 1


class Channel:
    """Stands in for the client's end."""

    def __init__(self) -> None:
        self.closed: list[tuple[int, str]] = []

    async def close(self, code: int, reason: str) -> None:
        """Keep it."""
        self.closed.append((code, reason))


def looked_after(
    now: float, *, until: float = float("inf"), spoke: float = 0.0, **upstream: Any
) -> tuple[list[tuple[int, str]], int]:
    """Return how a socket was closed and how often its service was asked, looking once."""

    async def run() -> tuple[list[tuple[int, str]], int]:
        proxy = SocketProxy(
            cast("Any", None), cast("Any", None), cast("Any", None), patience=PATIENCE
        )
        channel, service = Channel(), Upstream()
        for name, value in upstream.items():
            setattr(service, name, value)
        proxied = Proxied(
            cast("Any", channel), cast("Any", service), None, cast("Any", None), until
        )
        proxied.spoke = spoke
        proxy._open.add(proxied)
        proxy.sweep(now)
        await asyncio.sleep(0)
        return channel.closed, service.pings

    return asyncio.run(run())


def test_a_silent_service_is_asked() -> None:
    """After half a minute; a ping that nothing has followed is not repeated."""
    assert looked_after(29.0) == ([], 0)
    assert looked_after(31.0) == ([], 1)
    assert looked_after(40.0, pinged=31.0) == ([], 0)


def test_a_service_that_gives_no_sign_of_life_is_dead() -> None:
    """Its client hears of a bad gateway."""
    assert looked_after(52.0, pinged=31.0) == ([(1014, "upstream_timeout")], 0)


def test_what_we_do_not_read_is_nobody_s_silence() -> None:
    """A service whose messages wait for a slow client is not asked, and not taken for dead."""
    assert looked_after(52.0, pinged=31.0, paused=True) == ([], 0)
    assert looked_after(52.0, paused=True) == ([], 0)


def test_idle_sockets_end() -> None:
    """Pings are no use: only messages count."""
    assert looked_after(101.0, heard=100.0) == ([(1001, "idle")], 0)
    assert looked_after(101.0, heard=100.0, spoke=50.0) == ([], 0)


@pytest.mark.parametrize(("now", "closed"), [(59.0, []), (61.0, [(1008, "token_expired")])])
def test_a_token_from_outside_lasts_to_its_end(now: float, closed: list[tuple[int, str]]) -> None:
    """And its sockets no longer."""
    assert looked_after(now, until=60.0, spoke=now, heard=now)[0] == closed
