"""Opening a connection to a target, whichever of its addresses takes one."""

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Final, cast

from gateline.edge.upstream.resolving import Addresses, Lookup, Resolver, look_up
from gateline.edge.upstream.target import Target

# So long an address that refused is asked after all others.
_AVOID_SECONDS: Final = 10.0
_LEAST_SHARE_SECONDS: Final = 0.25


class Dialer:
    """Opens connections to one target and knows its addresses.

    Connections go to the addresses in turn; one that takes none is asked last for a while, and
    the next one is tried in the same breath. `moved` is told when a name leads elsewhere.
    """

    __slots__ = ("_avoided", "_resolver", "_turn", "target")

    def __init__(
        self,
        target: Target,
        dns_seconds: float,
        *,
        moved: Callable[[Addresses], None],
        in_use: Callable[[], bool],
        look_up: Lookup = look_up,
    ) -> None:
        self.target = target
        self._turn = 0
        self._avoided: dict[str, float] = {}
        self._resolver: Resolver | None = None
        if target.unix_path is None and not _is_numeric(target.host):
            self._resolver = Resolver(
                target.host, target.port, dns_seconds, moved=moved, in_use=in_use, look_up=look_up
            )

    async def dial(self, protocol: asyncio.Protocol, until: float) -> str:
        """Connect `protocol` by `until` (the loop's time); return the numeric address taken.

        Raise TimeoutError or OSError, that of the address that was tried last; `protocol` has
        heard of nothing then.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout_at(until):
            landing, address = await self._reach(loop, until)
        landing.hand_over(protocol)
        return address

    def is_current(self, address: str) -> bool:
        """Tell whether the target's name still leads to this address."""
        return self._resolver is None or address in self._resolver.known

    def close(self) -> None:
        """Look up no more names."""
        if self._resolver is not None:
            self._resolver.close()

    def _in_turn(self, addresses: Addresses, now: float) -> list[str]:
        """Return the addresses in the order to try: another one first each time."""
        self._avoided = {one: until for one, until in self._avoided.items() if until > now}
        start = self._turn % len(addresses)
        self._turn += 1
        turned = addresses[start:] + addresses[:start]
        return sorted(turned, key=self._avoided.__contains__)

    async def _reach(self, loop: asyncio.AbstractEventLoop, until: float) -> "tuple[_Landing, str]":
        """Return a connection and where it leads; each address gets its share of the time."""
        target = self.target
        if target.unix_path is not None:
            _, landing = await loop.create_unix_connection(_Landing, target.unix_path)
            return landing, ""
        if self._resolver is None:
            return await self._connect(loop, target.host), target.host
        candidates = self._in_turn(await self._resolver.addresses(), loop.time())
        last = candidates.pop()
        for left, address in zip(range(len(candidates) + 1, 1, -1), candidates, strict=True):
            now = loop.time()
            share = max(_LEAST_SHARE_SECONDS, (until - now) / left)
            try:
                async with asyncio.timeout_at(min(until, now + share)):
                    return await self._connect(loop, address), address
            except OSError:  # a TimeoutError is one
                self._avoided[address] = loop.time() + _AVOID_SECONDS
        return await self._connect(loop, last), last

    async def _connect(self, loop: asyncio.AbstractEventLoop, address: str) -> "_Landing":
        target = self.target
        _, landing = await loop.create_connection(
            _Landing,
            address,
            target.port,
            ssl=target.tls,
            server_hostname=(target.server_name or target.host) if target.tls else None,
        )
        return landing


class _Landing(asyncio.Protocol):
    """Holds a new connection, and what comes over it, until its protocol takes over.

    Loops differ in what they tell a protocol of an attempt that failed; this one hears it.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._data: list[bytes] = []
        self._lost: tuple[Exception | None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Keep what comes at once: a server may speak first."""
        self._data.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Keep that it ended at once."""
        self._lost = (exc,)

    def hand_over(self, protocol: asyncio.Protocol) -> None:
        """Tell the protocol all that happened; from now on it hears the rest itself."""
        if self._transport is None:
            raise OSError("closed as soon as it was opened")
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        for data in self._data:
            protocol.data_received(data)
        if self._lost is not None:
            protocol.connection_lost(self._lost[0])


def _is_numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
