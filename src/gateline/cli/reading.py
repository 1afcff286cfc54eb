"""Read the gateway's file for commands that only look at it: no secret, no engine is needed."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from gateline.shared.config import Settings
    from gateline.shared.gateway import GatewayPlan

# What settings ask for and no plan depends on.
_UNUSED: Final = {
    "secret_key": "never-used-0123456789-abcdefghijklmnopqrstuvw",
    "database_url": "postgresql://nobody@localhost/none",
}

_NOWHERE: Final = Path("/nonexistent")

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The gateway's file.  [GATELINE_CONFIG, else gateline.toml where there is one]",
)


def read_settings(config: Path | None) -> "Settings":
    """Return the settings of this folder, with stand-ins for what was never set."""
    from gateline.shared.config import ConfigError, Settings

    overrides: dict[str, Any] = {"gateline_config": config}
    try:
        return Settings.load(**overrides)
    except ConfigError as error:
        missing = {problem.variable.lower() for problem in error.problems} & set(_UNUSED)
        if not missing:
            raise
        overrides |= {name: _UNUSED[name] for name in missing}
        return Settings.load(**overrides)


def settings_of_nobody() -> "Settings":
    """Return settings that hang on no environment and no folder, with stand-ins for secrets."""
    from gateline.shared.config import Settings

    return Settings.load({name.upper(): value for name, value in _UNUSED.items()}, folder=_NOWHERE)


def read_plan(config: Path | None) -> "GatewayPlan":
    """Return the plan of the file, or the platform's own without one.

    Raises ConfigError when the file or a setting cannot be used.
    """
    from gateline.shared.gateway import load_plan

    return load_plan(read_settings(config))
