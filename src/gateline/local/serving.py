"""Serve one service with granian, with the settings that a front server needs."""

import contextlib
import importlib
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from gateline.local.certificates import Certificates
from gateline.local.launch import die_with_parent
from gateline.local.ports import check_free
from gateline.local.services import ServiceProgram

if TYPE_CHECKING:
    from gateline.local.rolling import RollingServer
    from gateline.shared.gateway import EdgeTls

# Set by the supervisor, which has checked the port and holds it for its children.
SUPERVISED = "GATELINE_SUPERVISED"

_BACKLOG = 4096
# Counts connections, not requests: idle ones included, so it must be far above those in use.
_CONNECTIONS = 16000
_HEADER_TIMEOUT_MS = 10_000
_HEADER_BYTES = 65_536
_HTTP2_PING_MS = 30_000
_HTTP2_PONG_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Listen:
    """Where and with how much to serve; with `tls` https alone, HTTP/2 too unless it says no."""

    host: str
    port: int
    workers: int = 1
    threads: int = 16
    drain_seconds: int = 30
    tls: "EdgeTls | None" = None


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
    from granian.http import HTTP1Settings, HTTP2Settings
    from granian.log import LogLevels

    from gateline.local.rolling import RollingServer

    asgi = service.interface == "asgi"
    server = RollingServer(
        service.target,
        reloads=asgi,
        address=listen.host,
        port=listen.port,
        interface=Interfaces.ASGI if asgi else Interfaces.WSGI,
        workers=listen.workers,
        blocking_threads=None if asgi else listen.threads,
        # Without TLS nobody asks for HTTP/2, and a silent connection would never time out.
        http=HTTPModes.auto if listen.tls is not None and listen.tls.http2 else HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=_HEADER_TIMEOUT_MS, max_buffer_size=_HEADER_BYTES
        ),
        http2_settings=HTTP2Settings(
            max_headers_size=_HEADER_BYTES,
            keep_alive_interval=_HTTP2_PING_MS,
            keep_alive_timeout=_HTTP2_PONG_SECONDS,
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
    if listen.tls is not None:
        _with_certificates(server, listen.tls)
    server.serve(target_loader=partial(load, service.target, os.getpid()), wrap_loader=False)


def _with_certificates(server: "RollingServer", tls: "EdgeTls") -> None:
    """Serve https; when the files change, new workers serve with the new pair."""
    certificates = Certificates(tls.certificate, tls.key)

    def take() -> None:
        server.use_certificate(*certificates.paths)

    def changed() -> None:
        take()
        server.replace()

    take()
    certificates.watch(changed)


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
