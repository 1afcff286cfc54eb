"""Serve a team's own WSGI application: one process that `gateline up` looks after.

Run as a module (`python -P -m gateline.local.app_server TARGET DIRECTORY HOST PORT WORKERS THREADS
DRAIN`), with its workers' errors on standard error. Exit code 2: the application cannot be built.
"""

import os
import signal
import sys
import traceback
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from gateline.local.applications import Application, ApplicationError, load_application
from gateline.local.launch import die_with_parent
from gateline.local.ports import check_free
from gateline.local.processes import Program
from gateline.policy.services import AppProgram

_PYTHON: Final = (sys.executable, "-P", "-m", "gateline.local.app_server")
_CANNOT_BE_BUILT: Final = 2
_PORT: Final = 5000
_BACKLOG: Final = 1024
_CONNECTIONS: Final = 16_000


def app_program(
    name: str, app: AppProgram, port: int, *, drain: int, environment: dict[str, str]
) -> Program:
    """Return the program that serves an app on 127.0.0.1; the app's own variables go first."""
    arguments = (app.target, app.directory, "127.0.0.1", port, app.workers, app.threads, drain)
    told = {"PORT": str(port), "GATELINE_SERVICE": name}
    return Program(
        name,
        (*_PYTHON, *(str(one) for one in arguments)),
        {**environment, **told, **app.env},
    )


def serve_app_alone(
    app: AppProgram,
    host: str | None,
    port: int | None,
    *,
    workers: int | None = None,
    threads: int | None = None,
    drain: int,
) -> None:
    """Serve an app by itself, as in a container; None: as its file or the environment says.

    Raises LocalError when the port is taken.
    """
    host = host or os.environ.get("FLASK_HOST") or "127.0.0.1"
    port = port or int(os.environ.get("FLASK_PORT") or _PORT)
    check_free(host, port)
    os.environ.update({"PORT": str(port), **app.env})
    workers, threads = workers or app.workers, threads or app.threads
    serve_app(replace(app, workers=workers, threads=threads), host, port, drain=drain)


def serve_app(app: AppProgram, host: str, port: int, *, drain: int) -> None:
    """Serve until SIGTERM or SIGINT; exit with code 2 when the application cannot be built."""
    from granian.constants import HTTPModes, Interfaces
    from granian.log import LogLevels

    server = _server()(
        app.target,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=app.workers,
        blocking_threads=app.threads,
        http=HTTPModes.http1,
        websockets=False,
        backlog=_BACKLOG,
        backpressure=_CONNECTIONS,
        respawn_failed_workers=True,
        respawn_interval=0.1,
        workers_kill_timeout=drain,
        log_level=LogLevels.critical,
    )
    loader = partial(build, app.target, app.directory, os.getpid())
    server.serve(target_loader=loader, wrap_loader=False)


def _server() -> type[Any]:
    """Return granian's server, which ends at once when a worker could not build its application.

    granian would start the worker again, to fail and to print the same once more.
    """
    from granian.server.mp import MPServer

    class AppServer(MPServer):
        """Knows the exit code that no new worker mends."""

        def _respawn_workers(self, workers: Any, *arguments: Any, **options: Any) -> None:
            codes = [self.wrks[idx].inner.exitcode for idx in workers]
            if _CANNOT_BE_BUILT in codes:
                self.shutdown(_CANNOT_BE_BUILT)  # type: ignore[no-untyped-call] # granian's own
            for code in codes:
                sys.stderr.write(f"A worker has died ({_how(code)}); another one takes its place\n")
            super()._respawn_workers(workers, *arguments, **options)

    return AppServer


def _how(code: int | None) -> str:
    """Tell how a worker ended: by a signal, as out of memory or a crash, or by an exit code."""
    if code is not None and code < 0:
        return f"killed by signal {-code}"
    return f"exit code {code}"


def build(target: str, directory: str, parent: int) -> Application:
    """Build the application in a worker, which must not outlive the server that forked it."""
    die_with_parent(signal.SIGKILL, parent)
    try:
        return load_application(target, Path(directory))
    except ApplicationError as error:
        sys.stderr.write(f"{error}\n")
    except Exception:  # noqa: BLE001 # the team's own code may raise anything
        traceback.print_exc()
    sys.exit(_CANNOT_BE_BUILT)


def main(arguments: list[str]) -> None:
    """Serve what the arguments name."""
    target, directory, host, port, workers, threads, drain = arguments
    app = AppProgram(target, directory, workers=int(workers), threads=int(threads))
    serve_app(app, host, int(port), drain=int(drain))


if __name__ == "__main__":
    main(sys.argv[1:])
