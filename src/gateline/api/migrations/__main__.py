"""`python -m gateline.api.migrations run`: what `gateline db upgrade --service api` does."""

import click

from gateline.api.migrations import MIGRATIONS
from gateline.shared.config import Settings


@click.group()
def migrations() -> None:
    """Migrations of the schema api; the database is that of DATABASE_URL."""


@migrations.command()
@click.argument("revision", default="head")
def run(revision: str) -> None:
    """Bring the database up to REVISION (default: the newest)."""
    url = Settings.load().database_url
    MIGRATIONS.upgrade(url, revision)
    click.echo(f"{MIGRATIONS.name}: {MIGRATIONS.current(url)}")


if __name__ == "__main__":
    migrations()
