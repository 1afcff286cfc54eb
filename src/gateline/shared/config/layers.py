"""Where the values of settings come from: environment, `.env`, `config.py`, the data folder."""

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dotenv import dotenv_values

DATA_DIR_DEFAULT: Final = ".gateline"


class UnreadableLayer(Exception):
    """A file with settings is there but cannot be read; the message says which and why."""


def gather(
    variables: Mapping[str, tuple[str, ...]],
    environ: Mapping[str, str],
    folder: Path,
    overrides: Mapping[str, Any],
) -> dict[str, Any]:
    """Return field name → raw value, each from the strongest layer that names it.

    `variables` tells the accepted variable names of every field. Order: overrides (command line),
    environment, `.env`, `config.py`, then `<data folder>/env`, which `gateline up` writes and
    which production never reads. An empty value counts as unset.
    """
    values = {name: value for name, value in overrides.items() if value is not None}
    layers = (environ, _dotenv(folder / ".env"), _config_class(folder / "config.py"))
    for layer in layers:
        _fill(values, variables, layer)
    if values.get("flask_env", "development") != "production":
        data_dir = folder / str(values.get("gateline_data_dir", DATA_DIR_DEFAULT))
        _fill(values, variables, _dotenv(data_dir / "env"))
    return values


def _fill(
    values: dict[str, Any], variables: Mapping[str, tuple[str, ...]], layer: Mapping[str, Any]
) -> None:
    for field, names in variables.items():
        if field not in values and (value := _first(layer, names)) is not None:
            values[field] = value


def _first(layer: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        value = layer.get(name)
        if isinstance(value, str):
            value = value.strip()
        if value not in (None, ""):
            return value
    return None


def _dotenv(path: Path) -> Mapping[str, str | None]:
    try:
        return dotenv_values(path, interpolate=False) if path.is_file() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableLayer(f"{path.name} cannot be read ({type(error).__name__})") from error


def _config_class(path: Path) -> Mapping[str, Any]:
    """Return the upper-case attributes of class `Config` in a `config.py`."""
    if not path.is_file():
        return {}
    try:
        config = runpy.run_path(str(path)).get("Config")
    except Exception as error:  # a user's file may raise anything
        raise UnreadableLayer(f"config.py cannot be run ({type(error).__name__})") from error
    return {name: getattr(config, name) for name in dir(config) if name.isupper()}
