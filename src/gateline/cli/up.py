"""`gateline up`."""

from pathlib import Path

import click


@click.command()
@click.option("--host", help="Address to listen on.  [FLASK_HOST, else 127.0.0.1]")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Public port; 0: any free one.  [FLASK_PORT, else 8000]",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    help="Port for Prometheus.  [METRICS_PORT, else 9090; a free one with --port 0]",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to keep everything.  [GATELINE_DATA_DIR, else .gateline]",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The gateway's file.  [GATELINE_CONFIG, else gateline.toml where there is one]",
)
def up(
    host: str | None,
    port: int | None,
    metrics_port: int | None,
    data_dir: Path | None,
    config: Path | None,
) -> None:
    """Start the whole platform on this machine; Ctrl-C stops it.

    PostgreSQL and Valkey run from the data folder, unless DATABASE_URL or REDIS_URL name others.
    With a gateway's file its apps are served too, and the samples only if it asks for them; SIGHUP
    and every change of the file make it be read anew. A service whose address is set (such as
    DOCTOR_SERVICE_URL) is taken to run elsewhere.
    Secrets and the passwords of the sample accounts are made at the first start; the passwords are
    shown once, or GATELINE_SAMPLE_PASSWORD sets one for all.
    """
    from gateline.local.plan import Options
    from gateline.local.up import up as run

    run(Options(host=host, port=port, metrics_port=metrics_port, data_dir=data_dir, config=config))
