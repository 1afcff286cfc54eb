"""One view under one address and method as an OpenAPI operation."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

from flask import Flask
from werkzeug.routing import BaseConverter, Rule

from gateline.policy import reasons
from gateline.policy.reasons import Reason
from gateline.shared.declarations import (
    FORM,
    JSON,
    SESSION_REASONS,
    Access,
    Answer,
    Declared,
    Header,
    declared,
)
from gateline.shared.middleware import csrf
from gateline.shared.middleware.rate_limiter import UNLIMITED_PATHS
from gateline.shared.middleware.validation import Contract
from gateline.shared.openapi import refusals
from gateline.shared.openapi.components import ERROR, REF, Mode, Model, Schemas, without_null

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FILES: Final = "static"
LISTED: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
USER_TYPES: Final = "x-user-types"

_VARIABLE: Final = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")
_UUID: Final = {"type": "string", "format": "uuid"}
_SECURITY: Final[Mapping[str | None, list[dict[str, list[str]]]]] = MappingProxyType(
    {
        None: [],
        "session": [{"bearer": []}, {"cookie": []}],
        "optional": [{}, {"bearer": []}, {"cookie": []}],
        "service": [{"serviceKey": []}, {"serviceBearer": []}],
    }
)


@dataclass(frozen=True, slots=True)
class Operation:
    """A view of an app at one of its addresses, under one method."""

    app: Flask
    rule: Rule
    method: str
    view: Callable[..., Any]
    service: str

    @property
    def declared(self) -> Declared:
        """What the decorators noted."""
        return declared(self.view)

    @property
    def contract(self) -> Contract:
        """What `@validate` reads."""
        found = getattr(self.view, "contract", None)
        return found if isinstance(found, Contract) else Contract(None, None, None)

    @property
    def body(self) -> Model | None:
        """The schema of the body, None when none is read."""
        return self.contract.body or self.declared.body

    @property
    def media(self) -> str:
        """The media type of the body."""
        return JSON if self.contract.body else self.declared.body_type

    @property
    def query(self) -> Model | None:
        """The schema of the query string."""
        return self.contract.query or self.declared.query

    @property
    def path(self) -> str:
        """The address as OpenAPI writes it."""
        return _VARIABLE.sub(r"{\1}", self.rule.rule)

    @property
    def id(self) -> str:
        """The operation's name, unique within the platform."""
        words = [self.service, self.rule.endpoint, self.method.lower()]
        if len(list(self.app.url_map.iter_rules(self.rule.endpoint))) > 1:
            words.append(re.sub(r"[^A-Za-z0-9]+", "_", self.path).strip("_"))
        return ".".join(words)

    @property
    def blueprints(self) -> list[str]:
        """The names of the blueprints that the view belongs to, innermost first."""
        parts = self.rule.endpoint.split(".")[:-1]
        return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]

    @property
    def tag(self) -> str:
        """The group of operations that it is shown in."""
        own = self.blueprints[0] if self.blueprints else self.service
        return own if own == self.service else f"{self.service}: {own.replace('_', ' ')}"


def operations(app: Flask, service: str) -> Iterator[Operation]:
    """Return every operation of an app, in a stable order.

    Static files are none, nor is what is marked `unlisted`.
    """
    rules = sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule)
    for rule in rules:
        view = app.view_functions[rule.endpoint]
        if rule.endpoint != _FILES and not declared(view).unlisted:
            for method in LISTED:
                if method in (rule.methods or ()):
                    yield Operation(app, rule, method, view, service)


def models_of(operation: Operation) -> Iterator[tuple[Model, Mode]]:
    """Return the models whose schemas an operation needs."""
    for model in (operation.body, operation.query):
        if model is not None:
            yield model, "validation"
    for answer in operation.declared.answers:
        if answer.schema is not None:
            yield answer.schema, "serialization"


def described(
    operation: Operation, schemas: Schemas, responses: dict[str, Any], *, as_page: bool
) -> dict[str, Any]:
    """Return the OpenAPI operation object; shared responses are added to `responses`."""
    summary, text = _texts(operation)
    access = operation.declared.access
    said: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": summary,
        "description": text,
        "parameters": [*_parameters(operation, schemas)],
        "requestBody": _body(operation, schemas),
        "responses": _responses(
            _answers(operation, schemas),
            refusals.refusal_responses(reasons_for(operation), responses, as_page=as_page),
        ),
        "security": _SECURITY[access.kind if access else None],
        USER_TYPES: sorted(access.user_types) if access else [],
    }
    return {name: value for name, value in said.items() if value or name == "security"}


def reasons_for(operation: Operation) -> Iterator[Reason]:
    """Return every reason for which an operation may be refused."""
    yield from refusals.ALWAYS
    yield from operation.declared.refusals
    yield from _access_reasons(operation)
    if operation.body is not None:
        yield from refusals.FORM if operation.media == FORM else refusals.BODY
    if operation.query is not None:
        yield reasons.VALIDATION_FAILED
    names = {header.name for header in operation.declared.headers}
    if "Idempotency-Key" in names:
        yield from (reasons.CONFLICT, reasons.VALIDATION_FAILED)
    if "If-Match" in names:
        yield reasons.PRECONDITION_FAILED
    if operation.rule.arguments:
        # What is no value of the variable may be the address of something with other methods.
        yield from (reasons.NOT_FOUND, reasons.METHOD_NOT_ALLOWED)
    if operation.rule.rule not in UNLIMITED_PATHS:
        yield reasons.LIMIT_SPENT


def _access_reasons(operation: Operation) -> Iterator[Reason]:
    access = operation.declared.access or Access("optional")
    if access.kind == "session":
        yield from SESSION_REASONS
    if access.user_types:
        yield reasons.ROLE_MISSING
    if access.kind == "service":
        yield reasons.SERVICE_KEY_INVALID
    by_cookie = operation.declared.access is not None and access.kind != "service"
    if operation.method not in SAFE and (
        by_cookie or csrf.is_protected(operation.app, operation.blueprints)
    ):
        yield reasons.CROSS_SITE


def _texts(operation: Operation) -> tuple[str, str]:
    text = inspect.getdoc(operation.view) or operation.rule.endpoint
    summary, _, rest = text.partition("\n\n")
    access, error = operation.declared.access, operation.contract.error
    more = [" ".join(rest.split())]
    if access is not None and access.user_types:
        more.append(f"For accounts of type {', '.join(sorted(access.user_types))}.")
    if error:
        more.append(f'What is not valid is answered with `"error": "{error}"`.')
    return " ".join(summary.split()), "\n\n".join(filter(None, more))


def _parameters(operation: Operation, schemas: Schemas) -> Iterator[dict[str, Any]]:
    for name, converter in operation.rule._converters.items():  # noqa: SLF001 - no public way
        schema = _path_schema(converter)
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    if operation.query is not None:
        required = schemas.required(operation.query)
        for name, schema in schemas.properties(operation.query).items():
            plain = without_null(schema)
            text = plain.pop("description", None)
            said = {"name": name, "in": "query", "required": name in required, "schema": plain}
            yield {**said, "description": text} if text else said
    for header in operation.declared.headers:
        yield {"name": header.name, "in": "header", **_header(header)}


def _path_schema(converter: BaseConverter) -> dict[str, Any]:
    own = getattr(converter, "openapi", None)
    if own is not None:
        return dict(own)
    kind = type(converter).__name__
    return dict(_UUID) if kind == "UUIDConverter" else {"type": "string", "minLength": 1}


def _header(header: Header) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if header.pattern:
        schema["pattern"] = header.pattern
    if header.example:
        schema["examples"] = [header.example]
    return {"description": header.description, "schema": schema}


def _body(operation: Operation, schemas: Schemas) -> dict[str, Any] | None:
    model = operation.body
    if model is None:
        return None
    required = operation.contract.body is not None or operation.declared.body_required
    content = {operation.media: {"schema": schemas.ref(model, "validation")}}
    return {"required": required, "content": content}


def _responses(answers: dict[str, Any], refused: dict[str, Any]) -> dict[str, Any]:
    """Put both together; an answer whose status is an error's may come in either shape."""
    for status in answers.keys() & refused.keys():
        for media in answers[status].get("content", {}).values():
            media["schema"] = {"anyOf": [media["schema"], {"$ref": f"{REF}{ERROR}"}]}
    return {**refused, **answers}


def _answers(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    found = operation.declared.answers or (Answer(200, None, "", None),)
    return {str(answer.status): _answer(answer, schemas) for answer in found}


def _answer(answer: Answer, schemas: Schemas) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Request-ID": refusals.header_ref("X-Request-ID")}
    headers |= {header.name: _header(header) for header in answer.headers}
    text = answer.description or (answer.schema.__doc__ if answer.schema else None)
    said: dict[str, Any] = {
        "description": inspect.cleandoc(text) if text else HTTPStatus(answer.status).phrase,
        "headers": headers,
    }
    if answer.media_type is not None:
        schema: dict[str, Any] = {"type": "string"}
        if answer.schema is not None:
            schema = schemas.ref(answer.schema, "serialization")
        said["content"] = {answer.media_type: {"schema": schema}}
    return said
