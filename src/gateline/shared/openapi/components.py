"""The JSON schemas of a document's payloads, each under one name."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

Mode = Literal["validation", "serialization"]
Model = type[BaseModel]

REF: Final = "#/components/schemas/"
ERROR: Final = "Error"

ERROR_SCHEMA: Final[Mapping[str, Any]] = {
    "title": ERROR,
    "description": "The body of every error.",
    "type": "object",
    "properties": {
        "error": {"type": "string", "description": "A short phrase."},
        "message": {"type": "string", "description": "A sentence for a person."},
        "details": {
            "type": "object",
            "properties": {
                "reason": {"type": "string", "description": "Stable, for programs."},
                "request_id": {"type": "string", "description": "What to ask us with."},
                "fields": {
                    "type": "object",
                    "description": "What is wrong with each field, by `a.b.0.c`.",
                    "additionalProperties": {"type": "array", "items": {"type": "string"}},
                },
            },
            "required": ["reason", "request_id"],
        },
    },
    "required": ["error", "message", "details"],
    "additionalProperties": False,
}


class Schemas:
    """The schemas of the given models, by model and by whether they are read or answered."""

    def __init__(self, models: Iterable[tuple[Model, Mode]]) -> None:
        found, defined = models_json_schema(
            sorted(
                set(models), key=lambda item: (item[0].__qualname__, item[0].__module__, item[1])
            ),
            ref_template=f"{REF}{{model}}",
        )
        spoken = _spoken_names(found)
        self._refs = {item: renamed(ref, spoken) for item, ref in found.items()}
        self.by_name: dict[str, Any] = {
            spoken.get(f"{REF}{name}", name).removeprefix(REF): _cleaned(renamed(schema, spoken))
            for name, schema in defined.get("$defs", {}).items()
        }
        self.by_name[ERROR] = dict(ERROR_SCHEMA)

    def ref(self, model: Model, mode: Mode) -> dict[str, Any]:
        """Return the reference to a model's schema."""
        return dict(self._refs[model, mode])

    def properties(self, model: Model) -> dict[str, Any]:
        """Return the fields of a model that is read, each with its schema."""
        return dict(self._of(model).get("properties", {}))

    def required(self, model: Model) -> frozenset[str]:
        """Return the names of the fields that must be sent."""
        return frozenset(self._of(model).get("required", ()))

    def _of(self, model: Model) -> dict[str, Any]:
        name = self._refs[model, "validation"]["$ref"].removeprefix(REF)
        schema: dict[str, Any] = self.by_name[name]
        return schema


def used_only(schemas: Mapping[str, Any], roots: Any) -> dict[str, Any]:
    """Return the schemas that `roots` refer to, directly or through one another, sorted."""
    wanted: set[str] = set()
    waiting = references(roots)
    while waiting:
        name = waiting.pop()
        if name not in wanted and name in schemas:
            wanted.add(name)
            waiting |= references(schemas[name]) - wanted
    return {name: schemas[name] for name in sorted(wanted)}


def references(value: Any) -> set[str]:
    """Return the names of all schemas that a part of a document refers to."""
    if isinstance(value, dict):
        ref = value.get("$ref")
        own = {ref.removeprefix(REF)} if isinstance(ref, str) and ref.startswith(REF) else set()
        return own.union(*(references(child) for child in value.values()))
    if isinstance(value, list):
        return set().union(*(references(child) for child in value))
    return set()


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Return a part of a document with references exchanged."""
    if isinstance(value, dict):
        return {key: renamed(child, names) for key, child in value.items()}
    if isinstance(value, list):
        return [renamed(child, names) for child in value]
    return names.get(value, value) if isinstance(value, str) else value


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter: in a path or a query nothing can be null."""
    options = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "title")}
    if len(options) == 1:
        return {**options[0], **rest}
    return {**rest, "anyOf": options} if options else rest


def _spoken_names(found: Mapping[Any, Mapping[str, str]]) -> dict[str, str]:
    """Return what references to generic models become: `PageOfOrderOut` for `Page_OrderOut_`."""
    return {
        ref["$ref"]: f"{REF}{model.__name__}"
        for (model, _), ref in found.items()
        if model.__pydantic_generic_metadata__["args"] and model.__name__.isidentifier()
    }


def _cleaned(schema: Any) -> Any:
    """Take out what says nothing: generated titles of fields, defaults that mean `not given`."""
    if isinstance(schema, list):
        return [_cleaned(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _cleaned(value) for key, value in schema.items()}
    if "default" in kept and kept["default"] in (None, ""):
        del kept["default"]
    properties = kept.get("properties")
    if isinstance(properties, dict):
        for one in properties.values():
            one.pop("title", None)
    return kept
