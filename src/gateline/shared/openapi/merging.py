"""The documents of several services as one, with the addresses under which a gateway shows them.

Only what a route really leads to is taken over. What the gateway itself may refuse is added to
what the services say.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from gateline.policy import reasons
from gateline.policy.reasons import Reason
from gateline.policy.routes import Destination, Route, RouteTable
from gateline.policy.services import Service
from gateline.shared.declarations import SESSION_REASONS, UPSTREAM_FAILURES
from gateline.shared.openapi.components import ERROR, ERROR_SCHEMA, REF, references, renamed
from gateline.shared.openapi.document import whole
from gateline.shared.openapi.operations import LISTED, SAFE, USER_TYPES
from gateline.shared.openapi.refusals import RESPONSES, reasons_of, refusal_responses

Json = dict[str, Any]

TITLE: Final = "Gateline"
_ABOUT: Final = "Everything that is reached through the gateway."
_VARIABLE: Final = re.compile(r"\{[^{}]+\}")
_VALUE: Final = "0"
_BY_TYPE: Final = "Lead to what belongs to one's own kind of account"

_ALWAYS: Final = (
    reasons.BAD_REQUEST,
    reasons.PATH_NOT_ALLOWED,
    reasons.HOST_NOT_ALLOWED,
    reasons.HEADERS_TOO_LARGE,
    reasons.INTERNAL_ERROR,
    *UPSTREAM_FAILURES,
)
_WITH_BODY: Final = (
    reasons.PAYLOAD_TOO_LARGE,
    reasons.REQUEST_TIMEOUT,
)
_WITH_SESSION: Final = (reasons.TOKEN_INVALID, reasons.SESSION_STORE_UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Part:
    """What one process said of itself, and the names of the services that it is."""

    services: frozenset[str]
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Public:
    """An operation of a service at a public address; `user_type` when only that type gets there."""

    path: str
    method: str
    route: Route
    user_type: str | None
    operation: Json


def merged(
    parts: Sequence[Part],
    table: RouteTable,
    services: Mapping[str, Service],
    *,
    own: Json | None = None,
) -> Json:
    """Return one document of all parts; `own` are paths that the gateway answers by itself."""
    shown: dict[tuple[str, str], list[_Public]] = {}
    schemas: Json = {ERROR: dict(ERROR_SCHEMA)}
    responses: Json = {}
    tags: dict[str, Json] = {}
    for part in _with_distinct_schemas(parts):
        schemas |= part.document.get("components", {}).get("schemas", {})
        responses |= part.document.get("components", {}).get("responses", {})
        for found in _published(part, table, services):
            shown.setdefault((found.path, found.method), []).append(found)
        tags |= {tag["name"]: tag for tag in part.document.get("tags", ())}
    paths: Json = deepcopy(own or {})
    for (path, method), several in shown.items():
        paths.setdefault(path, {}).setdefault(method, _joined(several, responses))
    return whole(
        TITLE,
        _ABOUT,
        paths=paths,
        tags=[tags[name] for name in sorted(_used_tags(paths) & tags.keys())],
        schemas=schemas,
        responses=_used_responses(paths, responses),
    )


def _published(part: Part, table: RouteTable, services: Mapping[str, Service]) -> Iterator[_Public]:
    """Return the operations of a part at every address that leads to them."""
    for path, item in part.document.get("paths", {}).items():
        for public in _candidates(path, part.services, table):
            for method in LISTED:
                operation = item.get(method.lower())
                if operation is None:
                    continue
                route = table.match(method, "", _concrete(public)).route
                for user_type, destination in _ways(route):
                    if destination.service in part.services and _leads(
                        public, path, destination, services[destination.service]
                    ):
                        yield _Public(public, method.lower(), route, user_type, operation)  # type: ignore[arg-type] # without a route there is no way


def _candidates(path: str, names: Collection[str], table: RouteTable) -> list[str]:
    """Return the public paths under which a service's path may be found."""
    found = [path]
    for route in table.routes:
        for _, destination in _ways(route):
            if destination.service in names and destination.replace is not None:
                public, inner = destination.replace
                if path == inner or path.startswith(f"{inner}/"):
                    found.append(f"{public}{path[len(inner) :]}")
    return list(dict.fromkeys(found))


def _ways(route: Route | None) -> Iterator[tuple[str | None, Destination]]:
    if route is not None:
        yield from route.by_user_type.items()
        if route.destination is not None:
            yield None, route.destination


def _leads(public: str, path: str, destination: Destination, service: Service) -> bool:
    return destination.path(_concrete(public), service.prefix) == _concrete(path)


def _concrete(path: str) -> str:
    return _VARIABLE.sub(_VALUE, path)


def _joined(several: Sequence[_Public], responses: Json) -> Json:
    """Return one operation for all that are found at the same address."""
    first = several[0]
    said = deepcopy(first.operation)
    for other in several[1:]:
        _add(said, other.operation)
    if first.user_type is not None:
        said |= _by_user_type(several)
    refused: set[str] = set()
    as_page = False
    for one in several:
        found, pages = reasons_of(one.operation["responses"], responses)
        refused |= {reason.code for reason in (*found, *_refusals(one))}
        as_page = as_page or pages
    kept = {
        status: answer
        for status, answer in said["responses"].items()
        if not answer.get("$ref", "").startswith(RESPONSES)
    }
    known = [reasons.REASONS[code] for code in refused]
    said["responses"] = refusal_responses(known, responses, as_page=as_page) | kept
    return said


def _refusals(one: _Public) -> Iterator[Reason]:
    """Return why the gateway itself may refuse."""
    route = one.route
    yield from _ALWAYS
    if "requestBody" in one.operation:
        yield from _WITH_BODY
    if route.auth != "none":
        yield from _WITH_SESSION
        if one.method.upper() not in SAFE:
            yield reasons.CROSS_SITE
    if route.auth == "session":
        yield from SESSION_REASONS
    if route.roles:
        yield reasons.ROLE_MISSING
    if one.user_type is not None:
        # What another kind of account has need not be there for one's own.
        yield from (reasons.NO_ROUTE, reasons.NOT_FOUND)


def _by_user_type(several: Sequence[_Public]) -> Json:
    one = several[0]
    words = re.sub(r"[^A-Za-z0-9]+", "_", one.path).strip("_")
    lines = [f"* {each.user_type}: {each.operation.get('summary', '')}" for each in several]
    return {
        "operationId": f"{one.route.name}.{words}.{one.method}",
        "tags": [one.route.name],
        "summary": f"{_BY_TYPE}: {one.path}.",
        "description": "\n".join(lines),
        USER_TYPES: sorted(str(each.user_type) for each in several),
    }


def _add(said: Json, other: Json) -> None:
    """Take what another operation at the same address reads and answers as an alternative."""
    known = {(one["in"], one["name"]) for one in said.get("parameters", ())}
    more = [one for one in other.get("parameters", ()) if (one["in"], one["name"]) not in known]
    if more:
        said["parameters"] = [*said.get("parameters", ()), *deepcopy(more)]
    if "requestBody" in other:
        said.setdefault("requestBody", deepcopy(other["requestBody"]))
        _add_content(said["requestBody"], other["requestBody"])
    for status, answer in other["responses"].items():
        said["responses"].setdefault(status, deepcopy(answer))
        _add_content(said["responses"][status], answer)


def _add_content(one: Json, other: Json) -> None:
    for media, content in other.get("content", {}).items():
        mine = one.setdefault("content", {}).setdefault(media, deepcopy(content))
        options = mine["schema"].get("anyOf", [mine["schema"]])
        if content["schema"] not in options:
            mine["schema"] = {"anyOf": [*options, content["schema"]]}


def _with_distinct_schemas(parts: Sequence[Part]) -> Iterator[Part]:
    """Return the parts with schemas renamed that mean something else in another part."""
    known = [part.document.get("components", {}).get("schemas", {}) for part in parts]
    clashing = _clashing(known)
    for part, schemas in zip(parts, known, strict=True):
        mine = clashing & schemas.keys()
        if not mine:
            yield part
            continue
        owner = _owner(part)
        names = {f"{REF}{name}": f"{REF}{owner}.{name}" for name in mine}
        document = renamed(part.document, names)
        moved = document["components"]["schemas"]
        document["components"]["schemas"] = {
            (f"{owner}.{name}" if name in mine else name): schema for name, schema in moved.items()
        }
        yield Part(part.services, document)


def _clashing(known: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the names that stand for different schemas, or refer to one that does."""
    first: Json = {}
    found: set[str] = set()
    for schemas in known:
        found |= {
            name for name in schemas if first.setdefault(name, schemas[name]) != schemas[name]
        }
    refers = {name: references(schema) for schemas in known for name, schema in schemas.items()}
    while more := {name for name, targets in refers.items() if targets & found} - found:
        found |= more
    return found


def _owner(part: Part) -> str:
    title: str = part.document.get("info", {}).get("title", "")
    return title.rpartition(": ")[2] or min(part.services)


def _operations(paths: Json) -> Iterator[Json]:
    for item in paths.values():
        yield from item.values()


def _used_tags(paths: Json) -> set[str]:
    return {tag for operation in _operations(paths) for tag in operation.get("tags", ())}


def _used_responses(paths: Json, responses: Json) -> Json:
    wanted = set(_response_names(_operations(paths)))
    return {name: response for name, response in responses.items() if name in wanted}


def _response_names(found: Iterable[Json]) -> Iterator[str]:
    for operation in found:
        for answer in operation["responses"].values():
            yield answer.get("$ref", "").removeprefix(RESPONSES)
