"""From an OpenAPI document to what a page shows: chapters of operations, in reading order."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from gateline.web.reference.schemas import Json, Line, Schemas

METHODS: Final = ("get", "post", "put", "patch", "delete", "head", "options", "trace")

_REST: Final = "Other"
_NO_ANCHOR: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Payload:
    """A body: its fields, and one as it may look."""

    media_type: str
    lines: tuple[Line, ...]
    example: str
    kind: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: its status, when it comes, and its body."""

    status: str
    meaning: str
    payload: Payload | None

    @property
    def worked(self) -> bool:
        """Tell that it is no refusal."""
        return self.status.startswith(("1", "2", "3"))


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path."""

    anchor: str
    method: str
    path: str
    title: str
    description: str
    access: tuple[str, ...]
    deprecated: bool
    parameters: tuple[Line, ...]
    body: Payload | None
    answers: tuple[Answer, ...]

    def fits(self, words: list[str]) -> bool:
        """Tell whether every word, in lower case, stands in its method, path or title."""
        text = f"{self.method} {self.path} {self.title}".lower()
        return all(word in text for word in words)


@dataclass(slots=True)
class Chapter:
    """The operations of one tag."""

    title: str
    description: str = ""
    operations: list[Operation] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """Where on the page it begins."""
        return f"chapter-{_anchor(self.title)}"


def chapters(document: Json) -> list[Chapter]:
    """Return the chapters of a document, with all of its operations."""
    described = {
        str(tag.get("name")): str(tag.get("description") or "")
        for tag in document.get("tags") or ()
        if isinstance(tag, Mapping)
    }
    found = {name: Chapter(name, description) for name, description in described.items()}
    for tag, operation in _operations(document):
        found.setdefault(tag, Chapter(tag)).operations.append(operation)
    return [chapter for chapter in found.values() if chapter.operations]


def narrowed(whole: Iterable[Chapter], query: str) -> list[Chapter]:
    """Return the chapters with only the operations that fit all words of `query`."""
    words = query.lower().split()
    found = [
        Chapter(
            chapter.title,
            chapter.description,
            [operation for operation in chapter.operations if operation.fits(words)],
        )
        for chapter in whole
    ]
    return [chapter for chapter in found if chapter.operations]


def _operations(document: Json) -> Iterator[tuple[str, Operation]]:
    schemas = Schemas(document)
    for path, item in (document.get("paths") or {}).items():
        shared = item.get("parameters") or ()
        for method in METHODS:
            found = item.get(method)
            if isinstance(found, Mapping) and not _is_page(schemas, found):
                tags = found.get("tags") or (_REST,)
                yield str(tags[0]), _operation(document, schemas, method, path, found, shared)


def _is_page(schemas: Schemas, found: Json) -> bool:
    """Tell an operation that only shows people a page: it is no part of an API."""
    worked = [
        schemas.resolve(answer).get("content") or {}
        for status, answer in (found.get("responses") or {}).items()
        if str(status).startswith("2")
    ]
    return bool(worked) and all(list(content) == ["text/html"] for content in worked)


def _operation(
    document: Json, schemas: Schemas, method: str, path: str, found: Json, shared: Any
) -> Operation:
    return Operation(
        anchor=_anchor(f"{method} {path}"),
        method=method.upper(),
        path=path,
        title=str(found.get("summary") or ""),
        description=str(found.get("description") or ""),
        access=_access(document, found),
        deprecated=bool(found.get("deprecated")),
        parameters=tuple(_parameters(schemas, (*shared, *(found.get("parameters") or ())))),
        body=_payload(schemas, schemas.resolve(found.get("requestBody"))),
        answers=tuple(_answers(schemas, found.get("responses") or {})),
    )


def _parameters(schemas: Schemas, found: tuple[Any, ...]) -> Iterator[Line]:
    for parameter in map(schemas.resolve, found):
        yield schemas.line(
            str(parameter.get("name")),
            parameter.get("schema") or {},
            required=bool(parameter.get("required")),
            note=str(parameter.get("description") or ""),
            place=str(parameter.get("in") or ""),
        )


def _answers(schemas: Schemas, found: Json) -> Iterator[Answer]:
    for status, given in sorted(found.items(), key=lambda item: str(item[0])):
        answer = schemas.resolve(given)
        meaning = str(answer.get("description") or "") or _phrase(str(status))
        yield Answer(str(status), meaning, _payload(schemas, answer))


def _phrase(status: str) -> str:
    try:
        return HTTPStatus(int(status)).phrase
    except ValueError:
        return ""


def _payload(schemas: Schemas, found: Json) -> Payload | None:
    for media_type, content in (found.get("content") or {}).items():
        schema = content.get("schema") or {}
        example = _example(schemas, content, schema)
        return Payload(
            media_type=str(media_type),
            lines=tuple(schemas.lines(schema)),
            example=(
                ""
                if example in (None, {}, "…")
                else json.dumps(example, indent=2, ensure_ascii=False)
            ),
            kind=schemas.kind(schema),
        )
    return None


def _example(schemas: Schemas, content: Json, schema: Any) -> Any:
    if "example" in content:
        return content["example"]
    for named in (content.get("examples") or {}).values():
        return schemas.resolve(named).get("value")
    return schemas.example(schema)


def _access(document: Json, found: Json) -> tuple[str, ...]:
    """Name what an operation asks for: one of these is enough; nothing means it is open."""
    needed = found.get("security", document.get("security") or ())
    named = [" and ".join(option) for option in needed]
    return () if "" in named else tuple(named)


def _anchor(text: str) -> str:
    return _NO_ANCHOR.sub("-", text.lower()).strip("-")
