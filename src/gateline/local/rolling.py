"""granian's server with workers that are replaced without losing a connection.

All new workers are started beside the old ones. When they listen, the kernel is told to give them
the new connections; each old worker then says goodbye to its clients (`Connection: close`, and
1012 to sockets), closes its listening socket, on which nothing waits any more, and finishes what
it has in hand. A worker that does not come up leaves everything as it was.

SIGUSR2 replaces the workers. SIGHUP asks those of the edge to read their configuration anew and
replaces others. The workers hear SIGURG a moment before they end.
"""

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from granian.server.mp import MPServer

from gateline.local.worker_link import WorkerLink

DRAIN_SIGNAL: Final = signal.SIGURG
"""Tells a worker that it will end; ignored by those that have nothing to do about it."""

RELOAD_SIGNAL: Final = signal.SIGUSR1
"""Tells a worker of the edge to read its configuration anew."""

REPLACE_SIGNAL: Final = signal.SIGUSR2
"""Tells the server to replace its workers."""

_LEAST_TLS: Final = "tls1.2"
# So long a worker may take to close its sockets: five thousand of them take a second.
_WORD_SECONDS: Final = 5.0
_START_SECONDS: Final = 60.0
# So long busy clients have to send a request, be told to close, and come to a new worker.
_MOVE_SECONDS: Final = 2.0
_CLOSE_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 0.02
# A process of granian's, which has no types.
Worker = Any
_log = logging.getLogger("gateline.local.rolling")


class RollingServer(MPServer):
    """Says that the end is near and only then begins it; replaces workers one generation a time.

    With `reloads` SIGHUP is passed on to the workers as SIGUSR1.
    """

    def __init__(self, *arguments: Any, reloads: bool, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._reloads = reloads
        self._interrupts = 0

    # Signals

    def startup(self, spawn_target: Any, target_loader: Any) -> None:
        """Start; from now on signals mean what is said above."""
        # Inherited by the workers: neither may end one that is not ready for it yet.
        signal.signal(RELOAD_SIGNAL, signal.SIG_IGN)
        signal.signal(REPLACE_SIGNAL, self._on_replace)
        _untyped(super()).startup(spawn_target, target_loader)

    def signal_handler_interrupt(self, *_args: Any, **_kwargs: Any) -> None:
        """End the server; a second signal does so without delay."""
        self._interrupts += 1
        if self._interrupts > 1:
            self._end()
            return
        for worker in self.wrks:
            # Who signals the whole group ends them as well: nobody is to be respawned now.
            worker.interrupt_by_parent = True
        self._signal_workers(DRAIN_SIGNAL)
        threading.Thread(target=self._end_when_drained, daemon=True).start()

    def signal_handler_reload(self, *_args: Any, **_kwargs: Any) -> None:
        """Have the configuration read anew."""
        if self._reloads:
            self._signal_workers(RELOAD_SIGNAL)
        else:
            self.replace()

    def replace(self) -> None:
        """Have the workers replaced; safe from any thread."""
        _untyped(super()).signal_handler_reload()

    def _end_when_drained(self) -> None:
        until = time.monotonic() + _WORD_SECONDS
        for worker in list(self.wrks):
            _await_drained(worker, until)
        self._end()

    def _end(self) -> None:
        _untyped(super()).signal_handler_interrupt()

    def _on_replace(self, *_args: Any) -> None:
        self.replace()

    def _signal_workers(self, signum: signal.Signals) -> None:
        for worker in self.wrks:
            _signal(worker, signum)

    def use_certificate(self, certificate: str, key: str) -> None:
        """Have workers that are started from now on serve https with these files."""
        context: Any = (True, certificate, key, None, _LEAST_TLS, None, [], False)
        self.ssl_ctx = context

    # Workers

    def _spawn_worker(
        self, idx: int, target: Any, callback_loader: Callable[..., Any], socket_loader: Any = None
    ) -> Worker:
        del socket_loader  # asked for by granian's base class alone
        link = WorkerLink()
        loader = partial(_load_linked, callback_loader, link, self.bind_port)
        worker: Worker = super()._spawn_worker(idx, target, loader)
        start = worker.start

        def start_and_keep_our_end() -> None:
            start()
            link.started()

        worker.start = start_and_keep_our_end
        worker.link = link
        return worker

    def _reload(self, spawn_target: Any, target_loader: Any) -> None:
        """Replace all workers by new ones, unless those do not come up."""
        self.reload_signal = False
        self.main_loop_interrupt.clear()
        old: list[Worker] = list(self.wrks)
        new = self._start_beside(spawn_target, target_loader)
        if new is None:
            return
        self.wrks[:] = new
        for worker in new:
            worker.interrupt_by_parent = False
        try:
            self._retire(old, new[0].link)
        finally:
            for worker in old:
                worker.link.close()
        _log.info("the workers were replaced")

    def _start_beside(self, spawn_target: Any, target_loader: Any) -> list[Worker] | None:
        """Start as many workers as there are; None, and none left, when one does not listen."""
        new = []
        for index in range(self.workers):
            worker = self._spawn_worker(index, spawn_target, target_loader)
            # Until it serves, its end is not that of a worker which must be respawned.
            worker.interrupt_by_parent = True
            worker.start()
            new.append(worker)
        if all(self._comes_up(worker) for worker in new):
            return new
        _log.error("new workers do not come up; the old ones go on")
        for worker in new:
            worker.kill()
            worker.join()
            worker.link.close()
        return None

    def _comes_up(self, worker: Worker) -> bool:
        link: WorkerLink = worker.link
        until = time.monotonic() + _START_SECONDS
        while worker.is_alive() and not self.interrupt_signal and time.monotonic() < until:
            if link.listens(0.5):
                return True
        return False

    def _retire(self, old: Sequence[Worker], link: WorkerLink) -> None:
        """Take the old workers out one by one, then wait until they have finished."""
        count = len(old)
        for worker in old:
            worker.interrupt_by_parent = True
        for gone, worker in enumerate(old):
            # The new ones are numbered from `count` on. Each that goes makes the last one move
            # into its place, so one less can be told by its number; past the end all are new.
            link.steer(count, max(1, count - 1 - gone))
            worker.link.succeed()
            _signal(worker, DRAIN_SIGNAL)
            self._pause(_MOVE_SECONDS)
            _await_drained(worker, time.monotonic() + _WORD_SECONDS)
            worker.terminate()
            self._await_close(worker)
        link.let_go()
        until = time.monotonic() + (self.workers_kill_timeout or _START_SECONDS)
        for worker in old:
            # Its own watcher waits for it too, and for a moment only one of both knows.
            while worker.is_alive() and time.monotonic() < until:
                worker.join(_LOOK_SECONDS)
            if worker.is_alive():
                _log.warning("a worker did not finish in time and is killed")
                worker.kill()
                worker.join()

    def _await_close(self, worker: Worker) -> None:
        link: WorkerLink = worker.link
        until = time.monotonic() + _CLOSE_SECONDS
        while worker.is_alive() and not link.has_closed() and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)

    def _pause(self, seconds: float) -> None:
        """Sleep, but not when the server is to end."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.interrupt_signal:
            time.sleep(_LOOK_SECONDS)


def _untyped(parent: Any) -> Any:
    """Return granian's own server, which has no types."""
    return parent


def _await_drained(worker: Worker, until: float) -> None:
    """Wait until a worker that was told to drain has done so, as far as that can be waited for."""
    while worker.is_alive() and not worker.link.has_drained() and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)


def _signal(worker: Worker, signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker.inner.pid, signum)


def _load_linked(loader: Callable[..., Any], link: WorkerLink, port: int) -> Any:
    """Load the application in a worker that answers its master."""
    for signum in (signal.SIGHUP, REPLACE_SIGNAL):  # the master's handlers came along
        signal.signal(signum, signal.SIG_IGN)
    loaded: list[object] = []
    link.answer(port, loaded)
    loaded.append(loader())
    return loaded[0]
