"""Calls to a service over HTTP: attempts under one deadline, repeated only where that is safe.

What may be repeated and when is decided by `gateline.policy.retries`; here it is carried out with
plain threads and sockets.
"""

import itertools
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from typing import Final

from urllib3 import HTTPHeaderDict, HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError, InvalidHeader, ReadTimeoutError

from gateline.policy.balancing import rotation
from gateline.policy.headers import Headers
from gateline.policy.reasons import (
    UPSTREAM_BROKEN,
    UPSTREAM_INVALID,
    UPSTREAM_REFUSED,
    UPSTREAM_TIMEOUT,
    UPSTREAM_UNAVAILABLE,
    Reason,
)
from gateline.policy.retries import Outcome, next_delay, retry_after_seconds
from gateline.policy.services import Service
from gateline.shared.errors import ApiError
from gateline.shared.wire import (
    ConnectFailed,
    DeadlineSocket,
    InvalidAnswer,
    Target,
    set_deadline,
)

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
_BLOCK: Final = 64 * 1024


class UpstreamFailed(ApiError):
    """A service gave no whole answer (502, 503 or 504); `details.service` names it."""

    def __init__(self, reason: Reason, service: str) -> None:
        super().__init__(reason=reason, details={"service": service})


@dataclass(frozen=True, slots=True)
class Call:
    """A request to a service.

    `target` is path and query in their encoded form. A `body` of blocks is streamed and can be
    sent only once; one of bytes may be repeated when `repeatable` says so.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | Iterable[bytes] | None = None
    repeatable: bool = False

    @property
    def may_repeat(self) -> bool:
        """Tell whether it may be sent again although its bytes may have arrived."""
        return self.repeatable and not self.streams

    @property
    def streams(self) -> bool:
        """Tell whether the body is a stream."""
        return self.body is not None and not isinstance(self.body, bytes)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered: status, headers (latin-1 bytes, in order), body or its stream.

    `length` is the Content-Length, None where the upstream gave none. A stream that breaks off
    raises UpstreamFailed in the middle.
    """

    status: int
    headers: Headers
    body: bytes | Iterator[bytes]
    length: int | None = None

    def header(self, name: str) -> str | None:
        """Return the first header of that name."""
        wanted = name.lower().encode()
        found = (value for key, value in self.headers if key.lower() == wanted)
        first = next(found, None)
        return None if first is None else first.decode("latin-1")


class _AttemptFailed(Exception):
    def __init__(self, outcome: Outcome, reason: Reason, *, stale: bool = False) -> None:
        self.outcome = outcome
        self.reason = reason
        self.stale = stale


@dataclass(frozen=True, slots=True)
class _Plan:
    """A call and its bounds: `until` on the monotonic clock, `seconds` as it was asked for."""

    call: Call
    seconds: float
    until: float
    stream_above: int | None

    def streams(self, response: HTTPResponse) -> bool:
        """Tell whether the answer is passed on as it comes."""
        if self.stream_above is None:
            return False
        length = response.length_remaining
        return length is None or length > self.stream_above


class Upstream:
    """A service and the connections to it. Safe to use from several threads."""

    def __init__(
        self,
        service: Service,
        *,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.service = service
        used = [one for one in service.endpoints if one.weight > 0]
        self._targets = [Target(one.url) for one in used]
        self._order = rotation([one.weight for one in used]) if used else ()
        self._turn = itertools.count()
        self._sleep = sleep
        self._chance = chance

    def call(
        self, call: Call, *, timeout: float | None = None, stream_above: int | None = None
    ) -> Answer:
        """Return the answer; raise UpstreamFailed when there is none within `timeout` seconds.

        The body is read whole, but for answers longer than `stream_above` bytes or of unknown
        length, where that is given. An answer of a passing status comes back when no attempt is
        left.
        """
        if not self._targets:
            raise UpstreamFailed(UPSTREAM_UNAVAILABLE, self.service.name)
        seconds = self.service.timeout if timeout is None else timeout
        plan = _Plan(call, seconds, time.monotonic() + seconds, stream_above)
        attempt = 1
        target: Target | None = None
        while True:
            began = time.monotonic()
            target = self._next(besides=target)
            result = self._attempt(target, plan)
            delay = self._delay(plan, attempt, result, began)
            if delay is None:
                break
            _discard(result)
            self._sleep(delay)
            attempt += 1
        if isinstance(result, _AttemptFailed):
            raise UpstreamFailed(result.reason, self.service.name) from result
        return result

    def close(self) -> None:
        """Close the idle connections."""
        for target in self._targets:
            target.close()

    def _delay(
        self, plan: _Plan, attempt: int, result: Answer | _AttemptFailed, began: float
    ) -> float | None:
        now = time.monotonic()
        outcome, status, retry_after = Outcome.STATUS, None, None
        if isinstance(result, _AttemptFailed):
            outcome = result.outcome
        else:
            status, retry_after = result.status, _retry_after(result)
        return next_delay(
            self.service.retry,
            attempt=attempt,
            repeatable=plan.call.may_repeat,
            outcome=outcome,
            status=status,
            retry_after=retry_after,
            remaining=plan.until - now,
            took=now - began,
            random=self._chance(),
        )

    def _next(self, besides: Target | None) -> Target:
        """Return the target whose turn it is: by weight, another than the one just asked."""
        order = self._order
        target = self._targets[order[next(self._turn) % len(order)]]
        while target is besides and len(self._targets) > 1:
            target = self._targets[order[next(self._turn) % len(order)]]
        return target

    def _attempt(self, target: Target, plan: _Plan) -> Answer | _AttemptFailed:
        try:
            return self._over_idle(target, plan) or self._over_new(target, plan)
        except _AttemptFailed as failed:
            return failed

    def _over_idle(self, target: Target, plan: _Plan) -> Answer | None:
        """Use an idle connection; None when there is none, or it had gone stale in the meantime.

        Stale means closed without a byte of answer. Only what may be repeated goes on from there:
        nobody can tell whether the request had been read.
        """
        connection = target.take(young=not plan.call.may_repeat)
        if connection is None:
            return None
        try:
            return self._exchange(target, connection, plan)
        except _AttemptFailed as failed:
            if failed.stale and plan.call.may_repeat:
                return None
            raise

    def _over_new(self, target: Target, plan: _Plan) -> Answer:
        left = plan.until - time.monotonic()
        if left <= 0:
            raise _AttemptFailed(Outcome.TIMED_OUT, UPSTREAM_TIMEOUT)
        try:
            connection = target.connect(min(self.service.connect_timeout, left))
        except ConnectFailed as error:
            raise _AttemptFailed(Outcome.CONNECT_FAILED, UPSTREAM_REFUSED) from error
        return self._exchange(target, connection, plan)

    def _exchange(self, target: Target, connection: HTTPConnection, plan: _Plan) -> Answer:
        try:
            wire, sent = _send(connection, target.base_path + plan.call.target, plan)
            response = connection.getresponse()
            if plan.streams(response):
                wire.until, wire.each = None, plan.seconds
                body = _Stream(response, connection, target, self.service.name)
                return _answer(response, iter(body))
            whole = _read_all(response)
        except BaseException as error:
            connection.close()
            failed = _classified(error)
            if failed is None:
                raise
            raise failed from error
        if sent:
            target.give_back(connection)
        else:
            connection.close()
        return _answer(response, whole)


class _Stream:
    """A body on its way: gives the connection back at its end, closes it in any other case."""

    def __init__(
        self, response: HTTPResponse, connection: HTTPConnection, target: Target, service: str
    ) -> None:
        self._response = response
        self._connection = connection
        self._target = target
        self._service = service
        self._whole = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            block = self._response.read1(_BLOCK, decode_content=False)
        except (OSError, HTTPError, HTTPException) as error:
            self.close()
            failed = _classified(error)
            reason = failed.reason if failed else UPSTREAM_BROKEN
            raise UpstreamFailed(reason, self._service) from error
        if not block:
            if not self._whole:
                self._whole = True
                self._target.give_back(self._connection)
            raise StopIteration
        return block

    def close(self) -> None:
        """Hang up, unless the end was reached."""
        if not self._whole:
            self._response.close()
            self._connection.close()


def _send(connection: HTTPConnection, target: str, plan: _Plan) -> tuple[DeadlineSocket, bool]:
    """Write the request; return the bounded socket, and whether the upstream read all of it.

    An upstream may answer and hang up before it has read the whole body: its answer counts.
    """
    call = plan.call
    # How fast a client uploads is not the upstream's fault: a stream is bounded step by step.
    each = plan.seconds if call.streams else None
    wire = set_deadline(connection, until=None if call.streams else plan.until, each=each)
    headers = HTTPHeaderDict()
    for name, value in call.headers:
        headers.add(name, value)
    try:
        connection.request(
            call.method,
            target,
            body=call.body,
            headers=headers,
            preload_content=False,
            decode_content=False,
        )
        sent = True
    except (BrokenPipeError, ConnectionResetError):
        sent = False
    if call.streams:
        wire.until, wire.each = time.monotonic() + plan.seconds, None
    return wire, sent


def _answer(response: HTTPResponse, body: bytes | Iterator[bytes]) -> Answer:
    headers = [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in response.headers.items()
    ]
    length = response.headers.get("content-length")
    return Answer(response.status, headers, body, None if length is None else int(length))


def _read_all(response: HTTPResponse) -> bytes:
    blocks: list[bytes] = []
    size = 0
    while block := response.read1(_BLOCK, decode_content=False):
        size += len(block)
        if size > MAX_ANSWER_BYTES:
            raise InvalidAnswer("the answer is too long to be held in memory")
        blocks.append(block)
    return b"".join(blocks)


def _classified(error: BaseException) -> _AttemptFailed | None:
    """Say what a failure after the connection was open means; None for what is not the wire's.

    Bytes may have arrived in every case, so none of them is CONNECT_FAILED.
    """
    if isinstance(error, TimeoutError | ReadTimeoutError):
        return _AttemptFailed(Outcome.TIMED_OUT, UPSTREAM_TIMEOUT)
    if isinstance(error, ConnectionError):
        # RemoteDisconnected is one of these: closed without a single byte of answer.
        return _AttemptFailed(Outcome.LOST, UPSTREAM_BROKEN, stale=True)
    if isinstance(error, HTTPException | InvalidHeader):
        return _AttemptFailed(Outcome.LOST, UPSTREAM_INVALID)
    if isinstance(error, OSError | HTTPError):
        return _AttemptFailed(Outcome.LOST, UPSTREAM_BROKEN)
    return None


def _retry_after(answer: Answer) -> float | None:
    """Return the seconds that an answer asks to wait (RFC 9110, section 10.2.3)."""
    text = answer.header("retry-after")
    return None if text is None else retry_after_seconds(text, time.time())


def _discard(result: Answer | _AttemptFailed) -> None:
    if isinstance(result, Answer) and isinstance(result.body, _Stream):
        result.body.close()
