"""`gateline serve NAME`."""

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateline.policy.services import AppProgram
    from gateline.shared.config import Settings
    from gateline.shared.gateway import GatewayPlan

_THREADS = 16


@click.command()
@click.argument("name")
@click.option("--host", help="Address to listen on.  [FLASK_HOST, else 127.0.0.1]")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Port to listen on.  [FLASK_PORT, else 8000 for the edge and 5000 for the others]",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The gateway's file, for the edge.  [GATELINE_CONFIG, else gateline.toml]",
)
@click.option(
    "--workers", type=click.IntRange(1, 64), help="Processes.  [1; of an app as its file says]"
)
@click.option(
    "--threads",
    type=click.IntRange(1, 256),
    help="Requests that one worker of a Flask service handles at once.  [16; of an app as its file"
    " says]",
)
@click.option(
    "--drain",
    default=30,
    show_default=True,
    type=click.IntRange(1, 600),
    help="Seconds that requests in flight may take at SIGTERM.",
)
def serve(
    name: str,
    host: str | None,
    port: int | None,
    config: Path | None,
    workers: int | None,
    threads: int | None,
    drain: int,
) -> None:
    """Serve one service: edge, web, api, jobs, clinic, retail, auth, or an app of the file.

    `jobs` delivers what the others left in their outbox; run it as often as you like.

    Needs DATABASE_URL and REDIS_URL, or a platform that `gateline up` runs from the same folder.
    A worker that crashes is replaced; SIGTERM finishes what is in flight; SIGHUP makes the edge
    read its gateway file anew and SIGUSR2 replaces its workers one by one, which SIGHUP does for
    the others.
    """
    from gateline.local.app_server import serve_app_alone
    from gateline.local.exporter import exporting
    from gateline.local.services import SERVICES, service_named
    from gateline.local.serving import SUPERVISED, Listen, serve
    from gateline.shared.config import Settings
    from gateline.shared.gateway.last_good import kept_for_workers

    if name not in SERVICES and (app := _app_named(name, config)) is not None:
        serve_app_alone(app, host, port, workers=workers, threads=threads, drain=drain)
        return
    service = service_named(name)
    workers, threads = workers or 1, threads or _THREADS
    if workers > 1:
        # Each request of a long-polling client may reach another worker, which does not know it.
        os.environ.setdefault("GATELINE_SOCKETIO_TRANSPORTS", "websocket")
    if config is not None:  # the workers read it as well
        os.environ["GATELINE_CONFIG"] = str(config.absolute())
    told: dict[str, Any] = {"flask_host": host, "flask_port": port}
    if service.name == "edge":
        settings, plan = _edge_settings(told)
    else:
        settings, plan = Settings.load(service=service.name, **told), None
    # FLASK_PORT has one default for all; a service that nobody gave a port keeps off the edge's.
    named = "flask_port" in settings.model_fields_set
    listen = Listen(
        host=settings.flask_host,
        port=settings.flask_port if named else service.port,
        workers=workers,
        threads=threads,
        drain_seconds=drain,
        tls=None if plan is None else plan.tls,
    )
    with contextlib.ExitStack() as stack:
        if SUPERVISED not in os.environ:  # else the supervisor exports for all
            stack.enter_context(exporting(settings.metrics_host, settings.metrics_port))
        if plan is not None:
            stack.enter_context(kept_for_workers(os.environ))
        serve(service, listen)


def _edge_settings(told: "Mapping[str, Any]") -> "tuple[Settings, GatewayPlan]":
    """Return the settings and the plan; raise ConfigError naming everything that is missing.

    An edge before a team's own services alone needs nothing of the platform's.
    """
    from gateline.shared.config import ConfigError, Settings
    from gateline.shared.gateway import load_plan

    try:
        plan = load_plan(Settings.load(**told))
    except ConfigError:
        Settings.load(service="edge", **told)  # tells what else is wrong
        raise
    service = "edge" if plan.platform else None
    return Settings.load(service=service, **told), plan


def _app_named(name: str, config: Path | None) -> "AppProgram | None":
    """Return the app of that name in the gateway's file, None when it has none."""
    from gateline.cli.reading import read_plan

    service = read_plan(config).services.get(name)
    return None if service is None else service.app
