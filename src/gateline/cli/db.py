"""`gateline db`: move the database schemas."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gateline.shared.migrations import Migrations

_service = click.option("--service", help="Only this service's schema.  [default: all]")


@click.group()
def db() -> None:
    """Move the database schema forward or back, or tell where it is.

    Needs DATABASE_URL, or a platform that `gateline up` runs from the same folder.
    """


@db.command()
@_service
@click.argument("revision", default="head")
def upgrade(service: str | None, revision: str) -> None:
    """Upgrade to REVISION (default: the newest).

    With ADMIN_PASSWORD set, the first administrator is made when the accounts have no such one.
    Without it, where there is no administrator at all, a password is made up and printed this once.
    """
    chosen = _migrations(service, revision, "head")
    url = _database_url()
    for name, migrations in chosen.items():
        migrations.upgrade(url, revision)
        click.echo(f"{name}: {migrations.current(url)}")
    if "auth" in chosen and chosen["auth"].is_current(url):
        _make_first_admin()


@db.command()
@_service
@click.argument("revision", default="-1")
@click.option("--yes", is_flag=True, help="Do not ask. Downgrading deletes data.")
def downgrade(service: str | None, revision: str, *, yes: bool) -> None:
    """Downgrade to REVISION (default: one step; `base` removes everything)."""
    chosen = _migrations(service, revision, "-1", "base")
    url = _database_url()
    if not yes:
        click.confirm(f"Downgrade {', '.join(chosen)}? Data will be lost.", abort=True)
    for name, migrations in reversed(chosen.items()):
        migrations.downgrade(url, revision)
        click.echo(f"{name}: {migrations.current(url) or 'empty'}")


@db.command()
@_service
def current(service: str | None) -> None:
    """Show the revision of each schema, and whether a newer one is there."""
    url = _database_url()
    for name, migrations in _migrations(service).items():
        found, newest = migrations.current(url), migrations.head()
        state = "newest" if found == newest else f"newest is {newest}"
        click.echo(f"{name}: {found or 'empty'} ({state})")


def _make_first_admin() -> None:
    from gateline.local.preparation import make_first_admin
    from gateline.shared.config import Settings

    made = make_first_admin(Settings.load())
    if made is not None:
        click.echo(str(made))


def _migrations(service: str | None, *revision: str) -> "dict[str, Migrations]":
    """Return the chosen migrations; a named revision belongs to one service only."""
    from gateline.local.schemas import migrations_named

    if service is None and revision and revision[0] not in revision[1:]:
        raise click.UsageError("A revision belongs to one service: name it with --service.")
    return migrations_named(service)


def _database_url() -> str:
    """Return the address of a database that answers, or fail with what to do."""
    from gateline.local.probes import require_database
    from gateline.shared.config import Settings

    url = Settings.load().database_url
    require_database(url)
    return url
