"""JSON Schema as lines."""

from typing import Any

import pytest

from gateline.web.reference.schemas import Schemas

DOCUMENT: dict[str, Any] = {
    "components": {
        "schemas": {
            "Address": {
                "type": "object",
                "required": ["zip"],
                "properties": {"zip": {"type": "string", "pattern": "^[0-9]{5}$"}},
            },
            "Item": {
                "type": "object",
                "properties": {
                    "id": {"type": "string", "examples": ["p-1"]},
                    "quantity": {"type": "integer", "minimum": 1, "maximum": 9, "default": 1},
                },
            },
            "Order": {
                "type": "object",
                "required": ["items"],
                "properties": {
                    "items": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}},
                    "address": {
                        "anyOf": [{"$ref": "#/components/schemas/Address"}, {"type": "null"}],
                        "description": "Where to.",
                    },
                    "status": {"enum": ["open", "done"]},
                },
            },
            "Tree": {
                "type": "object",
                "properties": {"child": {"$ref": "#/components/schemas/Tree"}},
            },
        }
    }
}
SCHEMAS = Schemas(DOCUMENT)


def ref(name: str) -> dict[str, str]:
    """Return a reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def test_nested_fields_are_lines_of_their_own() -> None:
    """Fields of objects and of lists of objects follow the field that holds them."""
    lines = {line.name: line for line in SCHEMAS.lines(ref("Order"))}
    assert list(lines) == [
        "items",
        "items[].id",
        "items[].quantity",
        "address",
        "address.zip",
        "status",
    ]
    assert lines["items"].required
    assert not lines["address"].required
    assert lines["address"].note == "Where to."
    assert lines["items[].quantity"].limits == ("≥ 1", "≤ 9")
    assert lines["items[].quantity"].default == "1"
    assert lines["address.zip"].limits == ("matches ^[0-9]{5}$",)
    assert lines["status"].values == ("open", "done")


def test_a_schema_within_itself_comes_to_an_end() -> None:
    """A schema that refers to itself is followed a few steps, not for ever."""
    assert 1 < len(list(SCHEMAS.lines(ref("Tree")))) < 10
    assert SCHEMAS.example(ref("Tree")) is not None


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, "string"),
        ({"type": "string", "format": "date-time"}, "date-time"),
        ({"type": "array", "items": {"type": "integer"}}, "list of integer"),
        (
            {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]},
            "integer or string",
        ),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer"),
        ({"type": ["string", "null"]}, "string or null"),
        ({"const": True}, "true"),
        ({"enum": [1, 2]}, "one of"),
        (ref("Order"), "object"),
        (ref("Nobody"), "any"),
        ({}, "any"),
    ],
)
def test_kinds(schema: dict[str, Any], kind: str) -> None:
    """What a value is, in a few words."""
    assert SCHEMAS.kind(schema) == kind


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        (ref("Item"), {"id": "p-1", "quantity": 1}),
        ({"type": "array", "items": ref("Item")}, [{"id": "p-1", "quantity": 1}]),
        ({"type": "string", "format": "date"}, "2026-01-31"),
        ({"type": "string"}, "…"),
        ({"type": ["null", "number"]}, 1.5),
        ({"type": "boolean"}, True),
        ({"enum": ["a", "b"]}, "a"),
        ({"type": "integer", "example": 7}, 7),
    ],
)
def test_examples(schema: dict[str, Any], example: object) -> None:
    """The schema's own example, else one that fits."""
    assert SCHEMAS.example(schema) == example


def test_combined_schemas_are_one() -> None:
    """A combination gives the fields of all parts, and all that is required."""
    both = {"allOf": [ref("Address"), ref("Item")]}
    lines = {line.name: line.required for line in SCHEMAS.lines(both)}
    assert lines == {"zip": True, "id": False, "quantity": False}
