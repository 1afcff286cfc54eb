"""`gateline service-key create|list|revoke`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gateline.auth.models import ServiceKey


@click.group("service-key")
def service_key() -> None:
    """Make, list and revoke the keys that services show to each other.

    Keys are kept as hashes in the database of the auth service. To replace one without a gap:
    create a second key of the same name, hand it out, then revoke the first. Those of the variable
    SERVICE_KEYS are valid besides these and do not appear here.
    """


@service_key.command()
@click.argument("name")
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    help="Days until the key expires.  [never]",
    default=None,
)
def create(name: str, days: int | None) -> None:
    """Make a key for the service NAME and print it: it cannot be shown again."""
    from gateline.auth.keys import create_service_key

    with _auth():
        try:
            row, key = create_service_key(name, days)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="NAME") from error
    click.echo(key)
    click.echo(f"Key {row.id} of {row.name}, {_end_of(row)}. Keep it: only its hash is.", err=True)


@service_key.command("list")
def list_keys() -> None:
    """List every key: number, service, first characters, state."""
    from gateline.auth.keys import is_valid, list_service_keys

    with _auth():
        rows = list_service_keys()
        for row in rows:
            state = _end_of(row) if is_valid(row) else "no longer valid"
            click.echo(f"{row.id:>6}  {row.name:<24} {row.hint}…  {state}")
    if not rows:
        click.echo("There are no keys in the database.", err=True)


@service_key.command()
@click.argument("key_id", metavar="NUMBER", type=click.IntRange(1, 2**63 - 1))
def revoke(key_id: int) -> None:
    """End the key NUMBER (of the list) at once."""
    from gateline.auth.keys import revoke_service_key
    from gateline.shared.errors import NotFound

    with _auth():
        try:
            row = revoke_service_key(key_id)
        except NotFound as error:
            raise click.ClickException(error.message) from error
    click.echo(f"Key {row.id} of {row.name} is revoked.")


def _end_of(row: "ServiceKey") -> str:
    return f"valid until {row.expires_at:%Y-%m-%d %H:%M} UTC" if row.expires_at else "without end"


@contextmanager
def _auth() -> Iterator[None]:
    """Enter the auth service's application context; say plainly when its database is not usable."""
    from sqlalchemy.exc import OperationalError, ProgrammingError

    from gateline.auth import create_app

    with create_app().app_context():
        try:
            yield
        except OperationalError as error:
            msg = "The database cannot be reached: start `gateline up`, or check DATABASE_URL."
            raise click.ClickException(msg) from error
        except ProgrammingError as error:
            msg = "The database has no tables of the auth service: run `gateline db upgrade`."
            raise click.ClickException(msg) from error
