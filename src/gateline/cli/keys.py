"""`gateline key new`."""

import json
import secrets
from typing import Any

import click

_PREFIX = "gak_"
_RANDOM_BYTES = 32


@click.group()
def key() -> None:
    """Make API keys for clients of the gateway.

    The gateway file holds the hash of a key and nothing else. To replace one without a gap: add the
    new one's table under another name, hand the key out, then remove the old table.
    """


@key.command()
@click.argument("name")
@click.option("--user-type", help="What `roles` of a route compare with.  [service]")
@click.option("--rate-limit", help="How many requests it may make, as 600/minute.  [no limit]")
def new(name: str, user_type: str | None, rate_limit: str | None) -> None:
    """Print a new key for the client NAME, and its table for the gateway file.

    The key cannot be shown again. Routes take it in X-API-Key when they say accept = ["key"].
    """
    from gateline.shared.gateway import fields
    from gateline.shared.service_keys import hash_key

    _check(name, fields.Name, "NAME")
    if rate_limit is not None:
        _check(rate_limit, fields.Rate, "--rate-limit")
    secret = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    table = {"name": name, "sha256": hash_key(secret)}
    table |= {"user_type": user_type} if user_type else {}
    table |= {"rate_limit": rate_limit} if rate_limit else {}
    click.echo("The key, to hand out (only its hash is kept):", err=True)
    click.echo(secret)
    click.echo("\nIts table, for the gateway file:", err=True)
    click.echo("[[api_keys]]")
    for field, value in table.items():
        click.echo(f"{field} = {_toml(value)}")


def _check(text: str, kind: Any, hint: str) -> None:
    """Refuse what the gateway file would refuse, in the same words."""
    from pydantic import TypeAdapter, ValidationError

    try:
        TypeAdapter(kind).validate_python(text)
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        remedy = wrong.get("ctx", {}).get("remedy", "")
        raise click.BadParameter(f"{wrong['msg']}; {remedy}", param_hint=hint) from error


def _toml(text: str) -> str:
    """Return a basic string of TOML, whose escapes are those of JSON."""
    return json.dumps(text)
