"""The settings as a table, for `.env.example` and the documentation."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from textwrap import wrap
from typing import Any

from pydantic.fields import FieldInfo

from gateline.shared.config.settings import Settings, variables_of

_HEADER = """\
# Every setting of Gateline. Copy this file to .env and change what you need.
# Order of precedence: command line, environment, .env, config.py (class Config), default.
# An empty value counts as unset; a line starting with # shows the default.
"""


@dataclass(frozen=True, slots=True)
class SettingReference:
    """What the documentation says about one setting.

    `variables` names it in the environment, preferred name first; `default` is written as in
    `.env`, empty when there is none; `secret` values belong in no log and no repository.
    """

    field: str
    variables: tuple[str, ...]
    group: str
    description: str
    default: str
    secret: bool


def reference() -> tuple[SettingReference, ...]:
    """Return every setting, in the order in which they are documented."""
    return tuple(_row(name, info) for name, info in Settings.model_fields.items())


def env_example() -> str:
    """Return the text of `.env.example`."""
    parts = [_HEADER]
    for group, rows in groupby(reference(), key=lambda row: row.group):
        parts.append(f"\n# --- {group} ---\n")
        parts.extend(_entry(row) for row in rows)
    return "".join(parts)


def _row(name: str, info: FieldInfo) -> SettingReference:
    extra: dict[str, Any] = (
        info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    )
    return SettingReference(
        field=name,
        variables=variables_of(name),
        group=str(extra.get("group", "Application")),
        description=info.description or "",
        default=_written(info.default),
        secret=bool(extra.get("secret", False)),
    )


def _written(default: object) -> str:
    if default is None or default == ():
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    return default.as_posix() if isinstance(default, Path) else str(default)


def _entry(row: SettingReference) -> str:
    return "\n" + "\n".join(_lines(row)) + "\n"


def _lines(row: SettingReference) -> Iterator[str]:
    yield from (f"# {line}" for line in wrap(row.description, 96))
    if row.variables[1:]:
        yield f"# Also read as: {', '.join(row.variables[1:])}"
    yield f"# {row.variables[0]}={row.default}"
