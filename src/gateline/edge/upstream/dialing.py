"""Opening a connection to a target, whichever of its addresses takes one."""

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Final

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

        Raise TimeoutError or OSError, that of the address that was tried last. An address whose
        TCP connection stands is the last one tried: what fails then is no matter of addresses.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout_at(until):
            if self.target.unix_path is not None:
                await loop.create_unix_connection(lambda: protocol, self.target.unix_path)
                return ""
            if self._resolver is None:
                await self._open(loop, lambda: protocol, self.target.host)
                return self.target.host
            candidates = self._in_turn(await self._resolver.addresses(), loop.time())
            return await self._first_that_takes(loop, protocol, candidates, until)

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

    async def _first_that_takes(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.Protocol,
        candidates: list[str],
        until: float,
    ) -> str:
        touched = False

        def take() -> asyncio.Protocol:
            nonlocal touched
            touched = True
            return protocol

        for left, address in zip(range(len(candidates), 0, -1), candidates, strict=True):
            now = loop.time()
            share = max(_LEAST_SHARE_SECONDS, (until - now) / left)
            try:
                async with asyncio.timeout_at(min(until, now + share)):
                    await self._open(loop, take, address)
            except OSError:  # a TimeoutError is one
                self._avoided[address] = loop.time() + _AVOID_SECONDS
                if left == 1 or touched:
                    raise
            else:
                return address
        raise OSError("no address")

    async def _open(
        self,
        loop: asyncio.AbstractEventLoop,
        take: Callable[[], asyncio.Protocol],
        address: str,
    ) -> None:
        target = self.target
        await loop.create_connection(
            take,
            address,
            target.port,
            ssl=target.tls,
            server_hostname=(target.server_name or target.host) if target.tls else None,
        )


def _is_numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
