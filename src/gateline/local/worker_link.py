"""A line between the server's master process and one worker, about the worker's listening socket.

The worker's end is answered by a thread of its own: the worker's loop may be busy, and a worker of
threads has none.
"""

import contextlib
import socket
import threading
from typing import Final

from gateline.local import listeners

_LISTENING: Final = b"listening"
_DRAINED: Final = b"drained"
_SUCCEEDED: Final = b"succeeded"
_YES: Final = b"yes"
_NO: Final = b"no"
_LOOK_SECONDS: Final = 0.02
_ANSWER_SECONDS: Final = 5.0


class WorkerLink:
    """The master's end."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._asking = threading.Lock()

    def answer(self, port: int, application: "list[object]") -> None:
        """Become the worker's end, in the worker, which will listen on `port`.

        `application` is filled when it is loaded; one that has something to say to its clients
        when it is told to drain has a `drained` that is true when it has, and a `succeeded` that
        is set when others serve on in its place.
        """
        self._ours.close()
        arguments = (self._theirs, port, application)
        threading.Thread(target=_answer, args=arguments, daemon=True).start()

    def started(self) -> None:
        """Leave the other end to the worker that was forked."""
        self._theirs.close()

    def listens(self, seconds: float) -> bool:
        """Wait until the worker listens; False when it ended first or took too long."""
        return self._receive(seconds) == _LISTENING

    def steer(self, first: int, count: int) -> bool:
        """Give new connections to these sockets only (see `listeners.steer`)."""
        return self._ask(f"steer {first} {count}") == _YES

    def let_go(self) -> bool:
        """Leave the choice to the kernel again."""
        return self._ask("let_go") == _YES

    def succeed(self) -> None:
        """Tell the worker that others serve on when it ends."""
        self._ask(_SUCCEEDED.decode())

    def has_closed(self) -> bool:
        """Tell whether the worker listens no more."""
        return self._ask("listens") != _YES

    def has_drained(self) -> bool:
        """Tell whether the worker has said to its clients what it had to say; a dead one has."""
        return self._ask(_DRAINED.decode()) != _NO

    def close(self) -> None:
        """Forget the worker."""
        self._ours.close()

    def _ask(self, question: str) -> bytes:
        with self._asking:
            try:
                self._ours.send(question.encode("ascii"))
            except OSError:
                return b""
            answer = self._receive(_ANSWER_SECONDS)
            # Nobody may have waited for the first word of a worker that was there from the start.
            return self._receive(_ANSWER_SECONDS) if answer == _LISTENING else answer

    def _receive(self, seconds: float) -> bytes:
        try:
            self._ours.settimeout(max(0.001, seconds))
            return self._ours.recv(64)
        except OSError:
            return b""


def _answer(line: socket.socket, port: int, application: list[object]) -> None:
    """Say when this process listens, and do what is asked, as long as the master is there."""
    with contextlib.suppress(OSError), line:
        line.settimeout(_LOOK_SECONDS)
        while True:
            if line.gettimeout() is not None and _has_begun(port):
                line.settimeout(None)
                line.send(_LISTENING)
            try:
                question = line.recv(64)
            except TimeoutError:
                continue
            if not question:
                return
            if question == _DRAINED:
                done = all(getattr(one, "drained", True) for one in application)
            elif question == _SUCCEEDED:
                done = _set_succeeded(application)
            else:
                done = _do(question.decode("ascii").split(), port)
            line.send(_YES if done else _NO)


def _set_succeeded(application: list[object]) -> bool:
    for one in application:
        if hasattr(one, "succeeded"):
            one.succeeded = True
    return True


def _has_begun(port: int) -> bool:
    """Tell whether this process listens by now, and have silent clients watched if it does."""
    listener = listeners.find_listener(port)
    if listener is None:
        return False
    with listener:
        listeners.keep_alive(listener)
    return True


def _do(words: list[str], port: int) -> bool:
    # Found anew each time: a duplicate that is kept would keep the socket listening.
    listener = listeners.find_listener(port)
    if listener is None:
        return False
    with listener:
        match words:
            case ["steer", first, count]:
                return listeners.steer(listener, int(first), int(count))
            case ["let_go"]:
                return listeners.let_go(listener)
            case _:
                return True
