"""Asks the store for parts of limits: all who ask at the same time in one round trip."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from gateline.policy.gcra import LimitRule
from gateline.shared import lua

LEASE_SECONDS: Final = 10.0
SILENT_SECONDS: Final = 10
_PREFIX: Final = "gcra:"
_EDGES: Final = "gcra-edges"
_ANSWER_SECONDS: Final = 0.5
_MOST_AT_ONCE: Final = 256
_MICROSECONDS: Final = 1_000_000


class StoreAway(Exception):
    """The store did not answer in time, or with an error."""


@dataclass(frozen=True, slots=True)
class Question:
    """What an edge wants of one bucket; the numbers are requests.

    `used` of the `wanted` are spent as soon as they come, `returned` come back unused, `owed` were
    admitted without asking.
    """

    key: str
    rule: LimitRule
    wanted: int
    used: int
    returned: int = 0
    owed: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the store granted; `left` are still free, times in seconds from now.

    `reset`: until everything is free again; `retry`: until one is, 0 while there is one.
    """

    granted: int
    left: int
    reset: float
    retry: float


class Store(Protocol):
    """Where the buckets are that all edges share; `operations` counts what it was asked."""

    operations: int

    async def ask(self, question: Question) -> Answer:
        """Answer one question; raise StoreAway."""

    async def greet(self, *, leaving: bool = False) -> int:
        """Say that this edge is here, or leaves; return how many are. Raises StoreAway."""


class ValkeyStore:
    """The buckets in Valkey or Redis. `edge` names this worker among all.

    `operations` counts what the store was asked. The store's own clock rules.
    """

    def __init__(
        self, kv: "Redis", edge: str, *, prefix: str = "", answer_seconds: float = _ANSWER_SECONDS
    ) -> None:
        self._kv = kv
        self._edge = edge
        self._prefix = prefix + _PREFIX
        self._edges = prefix + _EDGES
        self._answer_seconds = answer_seconds
        self._lease = lua.source("gcra_lease")
        self._sha = ""
        self._asked: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._asking: asyncio.Task[None] | None = None
        self.operations = 0

    async def ask(self, question: Question) -> Answer:
        """Ask with all others who do so before the last round trip has ended."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked.append((question, future))
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._run())
        return await future

    async def greet(self, *, leaving: bool = False) -> int:
        """Count this edge among those that are here."""
        script: Any = self._kv.eval
        silence = 0 if leaving else SILENT_SECONDS
        try:
            async with asyncio.timeout(self._answer_seconds):
                return int(
                    await script(lua.source("edges_seen"), 1, self._edges, self._edge, silence)
                )
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreAway(type(error).__name__) from error

    async def _run(self) -> None:
        try:
            while self._asked:
                batch = self._asked[:_MOST_AT_ONCE]
                del self._asked[:_MOST_AT_ONCE]
                await self._ask_together(batch)
        finally:
            self._asking = None
            self._refuse_all(TimeoutError())

    async def _ask_together(
        self, batch: Sequence[tuple[Question, "asyncio.Future[Answer]"]]
    ) -> None:
        replies: list[Any] = [TimeoutError()] * len(batch)
        try:
            async with asyncio.timeout(self._answer_seconds):
                replies = await self._execute([question for question, _ in batch])
        except (RedisError, OSError, TimeoutError) as error:
            replies = [error] * len(batch)
            self._refuse_all(error)
        finally:
            # Whatever happened, nobody may wait for ever.
            for (_, future), reply in zip(batch, replies, strict=True):
                if not future.done():
                    _settle(future, reply)

    def _refuse_all(self, error: Exception) -> None:
        """Let those who asked meanwhile not wait for the same."""
        waiting, self._asked = self._asked, []
        for _, future in waiting:
            if not future.done():
                _settle(future, error)

    async def _execute(self, questions: Sequence[Question]) -> list[Any]:
        """Run the script for each; load it first where the store does not have it."""
        if not self._sha:
            load: Any = self._kv.script_load
            self._sha = str(await load(self._lease))
        replies = await self._send(questions)
        unknown = [index for index, one in enumerate(replies) if isinstance(one, NoScriptError)]
        if unknown:
            self._sha = ""
            again = await self._execute([questions[index] for index in unknown])
            for index, reply in zip(unknown, again, strict=True):
                replies[index] = reply
        return replies

    async def _send(self, questions: Sequence[Question]) -> list[Any]:
        self.operations += len(questions)
        async with self._kv.pipeline(transaction=False) as pipe:
            for question in questions:
                pipe.evalsha(self._sha, 1, self._prefix + question.key, *self._arguments(question))
            return await pipe.execute(raise_on_error=False)

    def _arguments(self, question: Question) -> tuple[str, ...]:
        return (
            self._edge,
            repr(question.rule.interval * _MICROSECONDS),
            str(question.rule.burst),
            str(question.wanted),
            str(question.used),
            str(question.returned),
            str(question.owed),
            str(int(LEASE_SECONDS * _MICROSECONDS)),
            "",
        )


def _settle(future: "asyncio.Future[Answer]", reply: Any) -> None:
    if not isinstance(reply, list) or len(reply) != 4:
        future.set_exception(StoreAway(type(reply).__name__))
        return
    granted, left, debt, retry = (int(one) for one in reply)
    future.set_result(Answer(granted, left, debt / _MICROSECONDS, retry / _MICROSECONDS))
