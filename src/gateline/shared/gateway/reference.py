"""The gateway file's reference, for people and for editors, made from its models."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateline.shared.gateway import model, route_model, service_model
from gateline.shared.gateway.translation import as_toml

SCHEMA_FILE: Final = Path(__file__).with_name("gateline.schema.json")
"""Where the schema is kept, in the tree and in an installation."""

_SECTIONS: Final[tuple[tuple[str, type[BaseModel]], ...]] = (
    ("[gateway]", model.GatewayEntry),
    ("[gateway.tls]", model.TlsEntry),
    ("[gateway.retry_budget]", model.BudgetEntry),
    ("[services.NAME]", service_model.ServiceEntry),
    ("[[services.NAME.targets]]", service_model.TargetEntry),
    ("[services.NAME.retries]", service_model.RetriesEntry),
    ("[services.NAME.breaker]", service_model.BreakerEntry),
    ("[services.NAME.ejection]", service_model.EjectionEntry),
    ("[services.NAME.health_check]", service_model.HealthCheckEntry),
    ("[services.NAME.concurrency]", service_model.ConcurrencyEntry),
    ("[services.NAME.tls]", service_model.UpstreamTlsEntry),
    ("[[routes]]", route_model.RouteEntry),
    ("[routes.redirect]", route_model.RedirectEntry),
    ("[routes.rate_limit]", route_model.LimitEntry),
    ("[routes.request_headers]", route_model.RequestHeadersEntry),
    ("[routes.response_headers]", route_model.ResponseHeadersEntry),
    ("[routes.cors]", route_model.CorsEntry),
    ("[routes.cache]", route_model.CacheEntry),
    ("[routes.mirror]", route_model.MirrorEntry),
    ("[issuers.NAME]", model.IssuerEntry),
    ("[[api_keys]]", model.ApiKeyEntry),
)


@dataclass(frozen=True, slots=True)
class FieldReference:
    """One setting: `default` and `example` as they are written in the file, "" for none."""

    name: str
    description: str
    default: str
    example: str
    required: bool


@dataclass(frozen=True, slots=True)
class TableReference:
    """One table: its heading, what it is for, and its settings."""

    heading: str
    description: str
    fields: tuple[FieldReference, ...]


def reference() -> tuple[TableReference, ...]:
    """Return every table of the file, in the order in which they are documented."""
    return tuple(_table(heading, entry) for heading, entry in _SECTIONS)


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the file, for completion in editors."""
    made = model.GatewayFile.model_json_schema(by_alias=True)
    _drop_titles(made)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "gateline.toml",
        **made,
    }


def schema_text() -> str:
    """Return the schema as it is kept in the file."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def _table(heading: str, entry: type[BaseModel]) -> TableReference:
    text = (entry.__doc__ or "").partition(": ")[2].strip()
    described = f"{text[:1].upper()}{text[1:]}"
    return TableReference(heading, described, tuple(_fields(entry)))


def _fields(entry: type[BaseModel]) -> Iterator[FieldReference]:
    for name, info in entry.model_fields.items():
        yield FieldReference(
            name,
            info.description or "",
            _default(info),
            f"{name} = {as_toml(info.examples[0])}" if info.examples else "",
            info.is_required(),
        )


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return ""
    value = info.default
    if isinstance(value, BaseModel):
        return "as below"
    return "" if value is None or value in ([], {}, "") else as_toml(value)


def _drop_titles(value: Any) -> None:
    """Take out the titles that repeat names in capitals."""
    if isinstance(value, dict):
        if isinstance(value.get("title"), str):
            del value["title"]
        for inner in value.values():
            _drop_titles(inner)
    elif isinstance(value, list):
        for inner in value:
            _drop_titles(inner)
