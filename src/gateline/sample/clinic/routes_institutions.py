"""/api/v1/institutions: hospitals, clinics and laboratories."""

from flask import Blueprint, Response

from gateline.sample.clinic.access import allowed
from gateline.sample.clinic.answers import (
    created_answer,
    dashboard_answer,
    list_answer,
    patched_answer,
    removed_answer,
    replaced_answer,
    row_answer,
)
from gateline.sample.clinic.dashboard_schemas import InstitutionDashboard
from gateline.sample.clinic.declared import changes, creates, lists, removes, shows, shows_row
from gateline.sample.clinic.schemas import (
    InstitutionBody,
    InstitutionOut,
    InstitutionPatch,
    InstitutionQuery,
)
from gateline.sample.clinic.viewers import current_viewer
from gateline.shared.middleware.auth import require_auth
from gateline.shared.middleware.validation import validate
from gateline.shared.schemas.base import Schema

blueprint = Blueprint("institutions", __name__, url_prefix="/api/v1/institutions")

_ID = "/<row_id:institution_id>"


@blueprint.get("")
@lists(InstitutionOut)
@require_auth(allowed("institutions", "list"))
@validate(query=InstitutionQuery)
def list_institutions(query: InstitutionQuery) -> Response:
    """List the institutions that exist for the viewer."""
    return list_answer("institutions", query)


@blueprint.post("")
@creates(InstitutionOut)
@require_auth(allowed("institutions", "create"))
@validate(body=InstitutionBody)
def create_institution(body: InstitutionBody) -> Response:
    """Create an institution."""
    return created_answer("institutions", body)


@blueprint.get("/me")
@shows_row(InstitutionOut)
@require_auth(allowed("institutions", "me"))
@validate()
def read_own_profile() -> Response:
    """Show the institution that asks."""
    return row_answer("institutions", current_viewer().row_id)


@blueprint.patch("/me")
@changes(InstitutionOut)
@require_auth(allowed("institutions", "me"))
@validate(body=InstitutionPatch)
def change_own_profile(body: Schema) -> Response:
    """Change what an institution may change about itself."""
    return patched_answer("institutions", current_viewer().row_id, body)


@blueprint.get("/me/dashboard")
@shows(InstitutionDashboard)
@require_auth(allowed("institutions", "me"))
@validate()
def show_dashboard() -> Response:
    """Show an institution's figures."""
    return dashboard_answer("institutions")


@blueprint.get(_ID)
@shows_row(InstitutionOut)
@require_auth(allowed("institutions", "read"))
@validate()
def read_institution(institution_id: int) -> Response:
    """Show an institution."""
    return row_answer("institutions", institution_id)


@blueprint.put(_ID)
@changes(InstitutionOut)
@require_auth(allowed("institutions", "update"))
@validate(body=InstitutionBody)
def replace_institution(institution_id: int, body: InstitutionBody) -> Response:
    """Write an institution anew."""
    return replaced_answer("institutions", institution_id, body)


@blueprint.patch(_ID)
@changes(InstitutionOut)
@require_auth(allowed("institutions", "update"))
@validate(body=InstitutionPatch)
def change_institution(institution_id: int, body: Schema) -> Response:
    """Change some fields of an institution."""
    return patched_answer("institutions", institution_id, body)


@blueprint.delete(_ID)
@removes
@require_auth(allowed("institutions", "delete"))
@validate()
def remove_institution(institution_id: int) -> Response:
    """Delete an institution softly."""
    return removed_answer("institutions", institution_id)
