"""How the clinic answers: rows with their ETag, pages, and creates that happen once.

An ETag counts a row's changes. `If-Match` makes a change or a deletion depend on it (RFC 9110,
section 13.1.1): somebody else's change in between is answered with 412. The nouns differ in
their rules and payloads only, so what a view does with one of them is written here once.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from flask import Response, jsonify, request

from gateline.sample.clinic import directory
from gateline.sample.clinic.access import Noun
from gateline.sample.clinic.dashboards import dashboard
from gateline.sample.clinic.models import KeptAnswer
from gateline.sample.clinic.schemas import (
    AdminOut,
    DoctorOut,
    InstitutionOut,
    PatientOut,
    PeopleQuery,
)
from gateline.sample.clinic.viewers import current_viewer, now
from gateline.shared.database import transaction_context
from gateline.shared.errors import PreconditionFailed
from gateline.shared.idempotency import Answer, create_once
from gateline.shared.paging import Found
from gateline.shared.schemas.base import Schema, json_dump

_SHOWN: Final[Mapping[Noun, type[Schema]]] = MappingProxyType(
    {
        "patients": PatientOut,
        "doctors": DoctorOut,
        "institutions": InstitutionOut,
        "admins": AdminOut,
    }
)


def page_answer(found: Found, schema: type[Schema]) -> Response:
    """Answer with a page of a list."""
    items = [json_dump(schema.model_validate(row)) for row in found.rows]
    return jsonify({"items": items, "next_cursor": found.next_cursor})


def list_answer(noun: Noun, query: PeopleQuery) -> Response:
    """Answer with a page of what exists for the viewer."""
    return page_answer(directory.find_page(noun, current_viewer(), query), _SHOWN[noun])


def row_answer(noun: Noun, row_id: int) -> Response:
    """Answer with one row."""
    return _tagged(noun, directory.find(noun, current_viewer(), row_id))


def created_answer(noun: Noun, body: Schema) -> Response:
    """Create a row and answer 201 with its place; once for each Idempotency-Key."""
    viewer, at = current_viewer(), now()

    def create() -> Answer:
        row = directory.create(noun, viewer, body.model_dump(), at)
        headers = {"Location": f"/api/v1/{noun}/{row.id}", "ETag": _etag(row)}
        return Answer(201, _dumped(noun, row), headers)

    return once_answer(create)


def once_answer(create: Callable[[], Answer]) -> Response:
    """Answer with what `create` makes, or with what it made for the same key before."""
    answer = create_once(KeptAnswer, current_viewer().user_id, now(), create)
    response = jsonify(answer.body)
    response.status_code = answer.status
    response.headers.update(answer.headers)
    return response


def patched_answer(noun: Noun, row_id: int, body: Schema) -> Response:
    """Write the fields that were sent and answer with the row."""
    return _changed(noun, row_id, body.model_dump(exclude_unset=True))


def replaced_answer(noun: Noun, row_id: int, body: Schema) -> Response:
    """Write all fields and answer with the row."""
    values, sent = body.model_dump(), body.model_fields_set
    return _changed(
        noun, row_id, directory.replaceable(noun, current_viewer(), row_id, values, sent)
    )


def removed_answer(noun: Noun, row_id: int) -> Response:
    """Delete a row softly and answer 204."""
    with transaction_context():
        row = directory.find(noun, current_viewer(), row_id, lock=True)
        _require_match(row)
        directory.remove(noun, current_viewer(), row, now())
    return Response(status=204)


def dashboard_answer(noun: Noun) -> Response:
    """Answer with the viewer's profile, figures and short lists."""
    viewer = current_viewer()
    profile = _dumped(noun, directory.find(noun, viewer, viewer.row_id))
    return jsonify({"profile": profile, **dashboard(viewer, now())})


def _changed(noun: Noun, row_id: int, values: Mapping[str, Any]) -> Response:
    viewer = current_viewer()
    with transaction_context():
        row = directory.find(noun, viewer, row_id, lock=True)
        _require_match(row)
        row = directory.change(noun, viewer, row, values, now())
    return _tagged(noun, row)


def _tagged(noun: Noun, row: Any) -> Response:
    response = jsonify(_dumped(noun, row))
    response.headers["ETag"] = _etag(row)
    return response


def _dumped(noun: Noun, row: Any) -> dict[str, Any]:
    return json_dump(_SHOWN[noun].model_validate(row))


def _etag(row: Any) -> str:
    return f'"{row.id}-{row.version}"'


def _require_match(row: Any) -> None:
    if "If-Match" in request.headers and not request.if_match.contains(_etag(row).strip('"')):
        raise PreconditionFailed
