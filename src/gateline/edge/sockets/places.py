"""How many sockets a worker holds: in all, of one client, and of those who have not joined yet.

A client is an address, of IPv6 a network. Its share is generous, for an office or a mobile network
is one client; yet nobody alone can take the places of all.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from gateline.edge.exchange import Refused
from gateline.policy.reasons import OVERLOADED, TOO_MANY_SOCKETS

_MOST_NEWCOMERS: Final = 200
_MOST_NEWCOMERS_OF_CLIENT: Final = 50
_AGAIN: Final = [(b"retry-after", b"5")]


@dataclass(frozen=True, slots=True)
class Engines:
    """Socket.IO clients of a worker, in all and of one client.

    `polling` have no WebSocket, `newcomers` have joined no namespace, whatever their transport.
    """

    polling: int = 0
    newcomers: int = 0
    polling_of_client: int = 0
    newcomers_of_client: int = 0


class Places:
    """The places of one worker for sockets; `most` in all, `most_of_client` for each client."""

    def __init__(self, most: int, most_of_client: int) -> None:
        self._most = most
        self._most_of_client = most_of_client
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, client: str) -> Iterator[None]:
        """Take a place for as long as the block runs."""
        self._taken[client] += 1
        try:
            yield
        finally:
            self._taken[client] -= 1
            if not self._taken[client]:
                del self._taken[client]

    def refuse_beyond(self, client: str, engines: Engines) -> None:
        """Raise Refused when there is no place for one more.

        Newcomers take no place from others: anybody may be one, for a few seconds.
        """
        here = self._taken.total() + engines.polling - engines.newcomers
        of_client = self._taken[client] + engines.polling_of_client - engines.newcomers_of_client
        if here >= self._most:
            raise Refused(OVERLOADED, list(_AGAIN))
        if of_client >= self._most_of_client:
            raise Refused(TOO_MANY_SOCKETS, list(_AGAIN))

    @staticmethod
    def refuse_newcomer(engines: Engines) -> None:
        """Raise Refused when too many have connected and joined nothing yet."""
        if engines.newcomers_of_client >= _MOST_NEWCOMERS_OF_CLIENT:
            raise Refused(TOO_MANY_SOCKETS, list(_AGAIN))
        if engines.newcomers >= _MOST_NEWCOMERS:
            raise Refused(OVERLOADED, list(_AGAIN))
