"""JSON Schema as flat lines: one for each field, nested ones as `address.zip` and `items[].id`."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = Mapping[str, Any]

_DEEPEST: Final = 5
_LIMITS: Final = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "matches {}",
}
_SAMPLES: Final = {
    "date-time": "2026-01-31T09:30:00Z",
    "date": "2026-01-31",
    "email": "ana@example.com",
    "uuid": "6f1c2a34-5b7d-4e8f-9a0b-1c2d3e4f5a6b",
    "uri": "https://example.com/",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A field or parameter: what it is called, what it may hold, and where it stands."""

    name: str
    kind: str
    required: bool = False
    note: str = ""
    limits: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    default: str = ""
    place: str = ""


class Schemas:
    """Reads the schemas of one OpenAPI document, following its references."""

    def __init__(self, document: Json) -> None:
        self._document = document

    def resolve(self, found: Any) -> Json:
        """Return what a reference within the document refers to; `{}` when it leads nowhere."""
        for _ in range(_DEEPEST):
            if not isinstance(found, Mapping) or "$ref" not in found:
                break
            found = self._at(str(found["$ref"]))
        return found if isinstance(found, Mapping) else {}

    def line(self, name: str, schema: Any, *, required: bool = False, **more: str) -> Line:
        """Return one field, without what is nested in it."""
        plain = self._plain(schema)
        outer = schema if isinstance(schema, Mapping) else {}
        default = plain.get("default", outer.get("default"))
        return Line(
            name=name,
            kind=self.kind(schema),
            required=required,
            note=more.get("note") or str(plain.get("description") or ""),
            limits=tuple(
                words.format(plain[limit]) for limit, words in _LIMITS.items() if limit in plain
            ),
            values=tuple(str(value) for value in plain.get("enum") or () if value is not None),
            default="" if default is None else json.dumps(default, ensure_ascii=False),
            place=more.get("place", ""),
        )

    def lines(self, schema: Any, prefix: str = "", depth: int = 0) -> Iterator[Line]:
        """Return the fields of an object, each followed by those that are nested in it."""
        plain = self._plain(schema)
        if plain.get("type") == "array" and depth == 0:
            plain, prefix = self._plain(plain.get("items")), "[]."
        required = plain.get("required") or ()
        for name, found in (plain.get("properties") or {}).items():
            yield self.line(prefix + name, found, required=name in required)
            if depth < _DEEPEST:
                yield from self._nested(found, prefix + name, depth + 1)

    def kind(self, schema: Any) -> str:
        """Return in a few words what a value is."""
        choices = self._choices(self.resolve(schema))
        if len(choices) > 1:
            kinds = dict.fromkeys(self.kind(choice) for choice in choices)
            return " or ".join(kinds)
        plain = self._plain(schema)
        if "const" in plain:
            return json.dumps(plain["const"], ensure_ascii=False)
        found = plain.get("type")
        if isinstance(found, list):
            return " or ".join(str(name) for name in found)
        if found == "array":
            return f"list of {self.kind(plain.get('items') or {})}"
        if "enum" in plain:
            return "one of"
        form = plain.get("format")
        return str(form or found or "any")

    def example(self, schema: Any, depth: int = 0) -> Any:
        """Return a value that fits: the schema's own example, else one made of its parts."""
        plain = self._plain(schema)
        given = self._given(plain)
        if given is not None or depth > _DEEPEST:
            return given
        if plain.get("type") == "array":
            return [self.example(plain.get("items"), depth + 1)]
        if properties := plain.get("properties"):
            return {name: self.example(found, depth + 1) for name, found in properties.items()}
        return _sample(plain)

    def _nested(self, schema: Any, name: str, depth: int) -> Iterator[Line]:
        plain = self._plain(schema)
        if plain.get("type") == "array":
            return self.lines(plain.get("items"), f"{name}[].", depth)
        return self.lines(plain, f"{name}.", depth)

    def _plain(self, schema: Any) -> Json:
        """Return a schema without references, unions with null, and combinations."""
        found = self.resolve(schema)
        choices = self._choices(found)
        if len(choices) == 1:
            return {**self._plain(choices[0]), **_without_unions(found)}
        if parts := found.get("allOf"):
            whole: dict[str, Any] = {}
            for part in parts:
                plain = self._plain(part)
                merged = {**whole.get("properties", {}), **plain.get("properties", {})}
                needed = [*whole.get("required", ()), *plain.get("required", ())]
                whole = {**whole, **plain}
                whole |= {"properties": merged, "required": needed} if merged else {}
            return {**whole, **_without_unions(found)}
        return self._plain(choices[0]) if choices else found

    def _choices(self, found: Json) -> list[Json]:
        """Return the alternatives of a union that are more than null."""
        options = found.get("anyOf") or found.get("oneOf") or ()
        return [option for option in map(self.resolve, options) if option.get("type") != "null"]

    @staticmethod
    def _given(plain: Json) -> Any:
        if examples := plain.get("examples"):
            return examples[0] if isinstance(examples, list) else None
        return next(
            (plain[key] for key in ("example", "const", "default") if plain.get(key) is not None),
            None,
        )

    def _at(self, reference: str) -> Any:
        found: Any = self._document
        for step in reference.removeprefix("#/").split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            found = found.get(key) if isinstance(found, Mapping) else None
        return found


def _without_unions(found: Json) -> Json:
    return {key: found[key] for key in found if key not in ("anyOf", "oneOf", "allOf")}


def _sample(plain: Json) -> Any:
    if values := plain.get("enum"):
        return values[0]
    kind = plain.get("type")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), None)
    if kind == "string":
        return _SAMPLES.get(str(plain.get("format")), "…")
    samples: dict[Any, Any] = {"integer": 1, "number": 1.5, "boolean": True, "object": {}}
    return samples.get(kind)
