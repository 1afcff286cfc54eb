"""From what pydantic found wrong to what a person reads: place, what is wrong, what is right."""

import json
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gateline.shared.gateway.positions import Location
from gateline.shared.gateway.problems import FileProblem
from gateline.shared.gateway.source import Source
from gateline.shared.gateway.suggestions import one_of
from gateline.shared.gateway.tables import Shorthand, Table

_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bool_type": "must be true or false",
        "dict_type": "must be a table",
        "float_type": "must be a number",
        "int_from_float": "must be a whole number",
        "int_type": "must be a whole number",
        "list_type": "must be a list",
        "model_type": "must be a table",
        "string_type": "must be text, in quotes",
    }
)
_CONTAINERS: Final = frozenset({"dict_type", "list_type", "model_type"})
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_KEY_MARK: Final = "[key]"


def problems_of(
    error: ValidationError, source: Source, start: Location, model: type[Table]
) -> Iterator[FileProblem]:
    """Return each thing that is wrong with the table at `start`, which should be a `model`."""
    raw = _at(source.values, start)
    told: set[tuple[Location, str]] = set()
    for item in error.errors(include_url=False):
        way = tuple(item["loc"])
        written = _written(raw, way)
        location = (*start, *written)
        # What a shorthand was expanded to is nothing that its writer knows.
        meant = way if set(_names(way)) <= set(_names(written)) else written
        message, remedy = _explained(item, meant, model)
        if (location, message) not in told:
            told.add((location, message))
            yield source.problem(location, message, remedy)


def _explained(item: ErrorDetails, way: Location, model: type[Table]) -> tuple[str, str]:
    if item["type"] == "gateway":
        context = item.get("ctx", {})
        return str(context["message"]), str(context["remedy"])
    table, info = _declared(model, way)
    if item["type"] == "extra_forbidden":
        known = table.model_fields if table is not None else ()
        return "is no setting that is known here", one_of(str(way[-1]), known)
    name = next(reversed(_names(way)), "")
    example = f"write {_example(name, info)}"
    if item["type"] == "missing":
        return "is missing", example
    if item["type"] == "literal_error":
        expected = str(item["ctx"]["expected"])
        choices = re.findall(r"'([^']*)'", expected)
        return f"{item['input']!r} is none of the choices", (
            one_of(str(item["input"]), choices) if choices else f"choose one of {expected}"
        )
    if item["type"] in _CONTAINERS and info is not None and _has_shorthand(info):
        return f"{item['input']!r} is not of a kind that fits here", example
    return _KINDS.get(item["type"]) or _bound(item) or _sentence(item["msg"]), example


def _names(way: Location) -> list[str]:
    return [part for part in way if isinstance(part, str) and part != _KEY_MARK]


def _has_shorthand(info: FieldInfo) -> bool:
    inner = (one for part in get_args(info.annotation) for one in getattr(part, "__metadata__", ()))
    return any(isinstance(one, Shorthand) for one in (*info.metadata, *inner))


def _bound(item: ErrorDetails) -> str | None:
    words = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
    context = item.get("ctx", {})
    for name, word in words.items():
        if name in context:
            return f"{item['input']!r} must be {word} {context[name]:g}"
    return "must not be empty" if item["type"] == "too_short" else None


def _sentence(text: str) -> str:
    text = text.removeprefix("Value error, ").replace("Input should", "must")
    return text[:1].lower() + text[1:]


def _at(values: Any, location: Location) -> Any:
    for part in location:
        values = values[part]
    return values


def _written(raw: Any, way: Location) -> Location:
    """Return the part of a validator's way that the person has written, or should have."""
    found: list[str | int] = []
    for depth, part in enumerate(way):
        inner = _child(raw, part)
        if inner is not None:
            raw = inner
            found.append(part)
        elif isinstance(raw, dict) and depth == len(way) - 1 and part != _KEY_MARK:
            found.append(part)
    return tuple(found)


def _child(raw: Any, part: str | int) -> Any:
    """Return what a table or list has under a name or index; TOML has no null."""
    if isinstance(raw, dict):
        return raw.get(part)
    if isinstance(raw, list) and isinstance(part, int) and part < len(raw):
        return raw[part]
    return None


def _declared(model: type[Table], way: Location) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """Return the table in which the last name of a way is looked up, and what it is there."""
    table: type[BaseModel] | None = model
    info: FieldInfo | None = None
    for depth, part in enumerate(way):
        if table is None or part not in table.model_fields:
            continue
        info = table.model_fields[str(part)]
        if depth < len(way) - 1:
            table = _table_in(info.annotation) or table
    return table, info


def _table_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := _table_in(one))), None)


def _example(name: str, info: FieldInfo | None) -> str:
    if info is None:
        return "it as the reference shows"
    value = info.examples[0] if info.examples else info.get_default(call_default_factory=True)
    key = name if _BARE_KEY.fullmatch(name) else json.dumps(name)
    return f"{key} = {as_toml(value)}"


def as_toml(value: object) -> str:
    """Return a value as it is written in a TOML file, in one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, BaseModel):
        return as_toml(value.model_dump())
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{name} = {as_toml(one)}" for name, one in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(as_toml(one) for one in value)}]"
    return f"{value:g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
