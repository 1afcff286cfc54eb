"""Serve one service with granian, with the settings that a front server needs."""

import contextlib
import importlib
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from gateline.local.launch import die_with_parent
from gateline.local.ports import check_free
from gateline.local.services import ServiceProgram

# Set by the supervisor, which has checked the port and holds it for its children.
SUPERVISED = "GATELINE_SUPERVISED"

DRAIN_SIGNAL = signal.SIGURG
"""Tells a worker that it will end; ignored by those that have nothing to do about it."""

_DRAIN_SECONDS = 0.3
_BACKLOG = 4096
# Counts connections, not requests: idle ones included, so it must be far above those in use.
_CONNECTIONS = 16000
_HEADER_TIMEOUT_MS = 10_000
_HEADER_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Listen:
    """Where and with how much to serve."""

    host: str
    port: int
    workers: int = 1
    threads: int = 16
    drain_seconds: int = 30


def serve(service: ServiceProgram, listen: Listen) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests in flight.

    Raises LocalError when the port is taken.
    """
    if SUPERVISED not in os.environ:
        check_free(listen.host, listen.port)
    _raise_descriptor_limit()
    if service.interface == "worker":
        _target(service.target)(listen.host, listen.port, drain_seconds=listen.drain_seconds)
    else:
        _serve_with_granian(service, listen)


def _serve_with_granian(service: ServiceProgram, listen: Listen) -> None:
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels
    from granian.server import Server

    asgi = service.interface == "asgi"
    server = (_polite_server() if asgi else Server)(
        service.target,
        address=listen.host,
        port=listen.port,
        interface=Interfaces.ASGI if asgi else Interfaces.WSGI,
        workers=listen.workers,
        blocking_threads=None if asgi else listen.threads,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=_HEADER_TIMEOUT_MS, max_buffer_size=_HEADER_BYTES
        ),
        websockets=asgi,
        backlog=_BACKLOG,
        backpressure=_CONNECTIONS,
        respawn_failed_workers=True,
        respawn_interval=0.1,
        workers_kill_timeout=listen.drain_seconds,
        # Its warnings advise on the number of threads at every start.
        log_level=LogLevels.error,
    )
    server.serve(target_loader=partial(load, service.target, os.getpid()), wrap_loader=False)


def _polite_server() -> type[Any]:
    """Return granian's server, with a word to its workers before they end.

    At SIGTERM it drops open WebSockets without a close frame. So its workers hear SIGURG first,
    which those that have sockets understand, and have a moment to close them.
    """
    from granian.server.mp import MPServer

    class PoliteServer(MPServer):
        """Says that the end is near, and only then begins it."""

        _asked: tuple[str, ...] = ()

        def signal_handler_interrupt(self, *_args: Any, **_kwargs: Any) -> None:
            """End the server; a second signal does so without delay."""
            self._after_a_word("interrupt", super().signal_handler_interrupt)

        def signal_handler_reload(self, *_args: Any, **_kwargs: Any) -> None:
            """Replace the workers."""
            self._asked = ()
            self._after_a_word("reload", super().signal_handler_reload)

        def _after_a_word(self, asked: str, act: Callable[[], None]) -> None:
            if asked in self._asked:
                act()
                return
            self._asked = (*self._asked, asked)
            for worker in self.wrks:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.inner.pid, DRAIN_SIGNAL)
            timer = threading.Timer(_DRAIN_SECONDS, act)
            timer.daemon = True
            timer.start()

    return PoliteServer


def load(target: str, parent: int) -> Callable[..., Any]:
    """Build the application in a worker, which must not outlive the server that forked it.

    A worker left behind would keep its share of the port and answer with old code.
    """
    die_with_parent(signal.SIGKILL, parent)
    try:
        application: Callable[..., Any] = _target(target)()
    except Exception as error:
        if not _is_config_error(error):
            raise
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    return application


def _target(target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def _is_config_error(error: Exception) -> bool:
    from gateline.shared.config import ConfigError

    return isinstance(error, ConfigError)


def _raise_descriptor_limit() -> None:
    """Use as many descriptors as the system lets us: each connection takes one."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
