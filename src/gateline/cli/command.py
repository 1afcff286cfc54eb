"""The command and its subcommands, each imported only when it runs: starting must be quick."""

import gc
import importlib
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import click

from gateline import __version__

# name → the module below gateline.cli that has a click command of that name
_COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "init": "init",
        "up": "up",
        "routes": "routes",
        "explain": "explain",
        "check": "check",
        "serve": "serve",
        "db": "db",
        "service-key": "service_keys",
        "key": "keys",
        "simulate": "simulate",
    }
)


# Imports make hundreds of thousands of objects and no garbage: searched for as often as Python does
# by itself, it takes a sixth of a start.
_GARBAGE_AFTER: Final = (20_000, 20, 100)


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"gateline.cli.{_COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gateline")
def cli() -> None:
    """Run Gateline: the front door for a team's HTTP services.

    `gateline up` starts everything on this machine: PostgreSQL, Valkey, the edge and all services,
    with sample data to try it on. `gateline serve NAME` runs one service, in a container or beside
    a running platform. `gateline db` moves the database schema; `gateline simulate` makes
    something happen.

    Settings come from options, then the environment, then `.env`, then `config.py`;
    `.env.example` lists all of them.

    Exit codes: 0 done, 1 something failed while running, 2 wrong use or configuration.
    """


def main() -> None:
    """Run the command; a failure that a person can mend is one message, not a traceback."""
    gc.set_threshold(*_GARBAGE_AFTER)
    from gateline.local.errors import LocalError

    try:
        cli()
    except LocalError as error:
        _fail(error, error.exit_code)
    except Exception as error:
        if not _is_config_error(error):
            raise
        _fail(error, 2)


def _is_config_error(error: Exception) -> bool:
    # By asking for the module, not importing it: whoever raised it has imported it.
    config = sys.modules.get("gateline.shared.config")
    return config is not None and isinstance(error, config.ConfigError)


def _fail(error: Exception, code: int) -> None:
    click.secho("gateline: ", fg="red", bold=True, err=True, nl=False)
    click.echo(str(error), err=True)
    sys.exit(code)
