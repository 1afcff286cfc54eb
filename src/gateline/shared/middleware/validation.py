"""`@validate`: bodies and query strings become schema objects, or the request is refused.

Refused are, besides what the schemas refuse: a wrong content type (415), a body that is too large
(413), and JSON that is malformed, nested too deeply, repeats a key or holds NUL characters or half
surrogates, which PostgreSQL cannot store. Size and depth are judged on the raw text: parsed, a body
of empty lists takes a hundred times its own size of memory.
"""

import functools
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar

from flask import request
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from gateline.shared.errors import (
    ApiError,
    BadRequest,
    MalformedJson,
    PayloadTooLarge,
    UnsupportedMediaType,
    ValidationFailed,
)

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])
Model = TypeVar("Model", bound=BaseModel)

MAX_DEPTH: Final = 32
MAX_BYTES: Final = 256 * 1024
"""The largest JSON body of a view that asks for no other bound."""
BULK_BYTES: Final = 2 * 1024 * 1024
"""The largest JSON body of a view that takes many things at once."""

_MEDIA_TYPE: Final = re.compile(r"application/([a-z0-9!#$&^_.-]+\+)?json", re.IGNORECASE)
_SHOULD: Final = re.compile(r"\b(Input|Value|String|List|Dictionary) should\b")
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
# Only a body with such an escape can smuggle a NUL or a half surrogate past the UTF-8 decoder.
_SUSPICIOUS: Final = re.compile(rb"\\u(0000|[dD][89abAB])")
# Everything but brackets: strings, and what stands between. Possessive and with an optional closing
# quote, so that one that never ends is passed over once and not again from each quote within it.
_NO_BRACKETS: Final = re.compile(rb"""(?:[^\[\]{}"]++|"[^"\\]*+(?:\\.[^"\\]*+)*+"?)+""", re.DOTALL)
_OPENING: Final = frozenset(b"[{")


@dataclass(frozen=True, slots=True)
class Contract:
    """What a view reads, for the generator of the OpenAPI document."""

    body: type[BaseModel] | None
    query: type[BaseModel] | None
    error: str | None


def validate(
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    error: str | None = None,
    *,
    max_bytes: int = MAX_BYTES,
) -> Callable[[View], View]:
    """Pass the parsed request to the view as keyword arguments `body` and `query`.

    `error` replaces the `error` phrase of refusals where a document prescribes one. A body longer
    than `max_bytes` is refused before it is parsed; MAX_CONTENT_LENGTH wins where it is smaller.
    The schemas are recorded as `view.contract`.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def checked(*args: Any, **kwargs: Any) -> ResponseReturnValue:
            try:
                if query is not None:
                    kwargs["query"] = read_query(query)
                if body is not None:
                    kwargs["body"] = read_body(body, max_bytes)
            except ApiError as refusal:
                refusal.error = error or refusal.error
                raise
            return view(*args, **kwargs)

        checked.contract = Contract(body, query, error)  # type: ignore[attr-defined] # documented
        return checked  # type: ignore[return-value] # same signature as the view, less two

    return decorate


def read_body(schema: type[Model], max_bytes: int = MAX_BYTES) -> Model:
    """Return the request's JSON body as an object of the schema; raise what is to be answered."""
    raw = _raw_json(max_bytes)
    parsed = parse_json(raw)
    if not isinstance(parsed, dict):
        raise ValidationFailed(
            "The body must be a JSON object.", fields={"body": ["must be an object"]}
        )
    try:
        return schema.model_validate_json(raw, strict=True)
    except ValidationError as error:
        refuse_fields(error)


def read_query(schema: type[Model]) -> Model:
    """Return the request's query string as an object of the schema.

    A parameter given twice is refused unless the schema's field is a list.
    """
    values: dict[str, Any] = {}
    repeated: dict[str, list[str]] = {}
    for name, texts in request.args.lists():
        if any(_UNSTORABLE.search(text) for text in (name, *texts)):
            raise ValidationFailed(
                fields={_printable(name): ["holds characters that are not text"]}
            )
        if _takes_many(schema, name):
            values[name] = texts
        elif len(texts) > 1:
            repeated[name] = ["is given more than once"]
        else:
            values[name] = texts[0]
    if repeated:
        raise ValidationFailed(fields=repeated)
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        refuse_fields(error)


def parse_json(raw: bytes) -> Any:
    """Return strictly parsed JSON (RFC 8259); raise MalformedJson on anything doubtful."""
    if _nests_deeper(raw, MAX_DEPTH):
        raise MalformedJson(f"The body is nested more than {MAX_DEPTH} levels deep.")
    try:
        parsed = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError):
        raise MalformedJson from None
    if _SUSPICIOUS.search(raw) and any(_UNSTORABLE.search(text) for text in _texts(parsed)):
        raise MalformedJson("The body holds NUL characters or half surrogates.")
    return parsed


def refuse_fields(error: ValidationError) -> NoReturn:
    """Raise ValidationFailed naming each wrong field as `a.b.0.c`, without its value."""
    fields: dict[str, list[str]] = {}
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        name = ".".join(_printable(str(part)) for part in item["loc"]) or "body"
        fields.setdefault(name, []).append(_sentence(item["type"], item["msg"]))
    raise ValidationFailed(fields=fields) from None


def _raw_json(max_bytes: int) -> bytes:
    if _MEDIA_TYPE.fullmatch(request.mimetype) is None and (request.mimetype or _has_body()):
        raise UnsupportedMediaType
    charset = request.mimetype_params.get("charset", "utf-8")
    if charset.lower().replace("-", "").replace("_", "") not in {"utf8", "usascii"}:
        raise UnsupportedMediaType("Send the body as UTF-8.")
    set_for_all = request.max_content_length
    limit = max_bytes if set_for_all is None else min(max_bytes, set_for_all)
    request.max_content_length = limit
    try:
        raw = request.get_data(cache=True)
    except ClientDisconnected:
        raise BadRequest("The body is shorter than announced.") from None
    except RequestEntityTooLarge:
        raise PayloadTooLarge from None
    # A chunked body is cut at the limit without a word: what reaches it may be half a body. Who
    # read the body before us did so under the wider limit.
    if len(raw) > limit or (len(raw) == limit and len(raw) != request.content_length):
        raise PayloadTooLarge
    if not raw.strip():
        raise MalformedJson("A JSON body is needed.")
    return raw


def _has_body() -> bool:
    return bool(request.content_length) or "Transfer-Encoding" in request.headers


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedJson("The body repeats a key within one object.")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are no JSON


def _children(value: object) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _nests_deeper(raw: bytes, most: int) -> bool:
    """Tell whether brackets are open more than `most` levels deep, in one pass over the text."""
    if raw.count(b"[") + raw.count(b"{") <= most:
        return False
    depth = 0
    for bracket in _NO_BRACKETS.sub(b"", raw):
        depth += 1 if bracket in _OPENING else -1
        if depth > most:
            return True
    return False


def _texts(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    if isinstance(value, dict):
        yield from value
    for child in _children(value):
        yield from _texts(child)


def _takes_many(schema: type[BaseModel], name: str) -> bool:
    for field_name, field in schema.model_fields.items():
        if name in {field_name, field.alias}:
            origin = getattr(field.annotation, "__origin__", field.annotation)
            return origin in {list, tuple, set, frozenset}
    return False


def _printable(name: str) -> str:
    return name[:100].encode("ascii", "backslashreplace").decode()


def _sentence(kind: str, message: str) -> str:
    known = {"missing": "is required", "extra_forbidden": "is not a known field"}
    text = known.get(kind) or message.removeprefix("Value error, ")
    text = _SHOULD.sub("must", text)
    return text[:1].lower() + text[1:]
