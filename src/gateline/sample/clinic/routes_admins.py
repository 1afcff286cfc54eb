"""/api/v1/admins: those who run the clinic, seen by each other only."""

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
from gateline.sample.clinic.dashboard_schemas import AdminDashboard
from gateline.sample.clinic.declared import changes, creates, lists, removes, shows, shows_row
from gateline.sample.clinic.schemas import AdminBody, AdminOut, AdminPatch, AdminQuery
from gateline.sample.clinic.viewers import current_viewer
from gateline.shared.middleware.auth import require_auth
from gateline.shared.middleware.validation import validate
from gateline.shared.schemas.base import Schema

blueprint = Blueprint("admins", __name__, url_prefix="/api/v1/admins")

_ID = "/<row_id:admin_id>"


@blueprint.get("")
@lists(AdminOut)
@require_auth(allowed("admins", "list"))
@validate(query=AdminQuery)
def list_admins(query: AdminQuery) -> Response:
    """List all admins."""
    return list_answer("admins", query)


@blueprint.post("")
@creates(AdminOut)
@require_auth(allowed("admins", "create"))
@validate(body=AdminBody)
def create_admin(body: AdminBody) -> Response:
    """Create an admin."""
    return created_answer("admins", body)


@blueprint.get("/me")
@shows_row(AdminOut)
@require_auth(allowed("admins", "me"))
@validate()
def read_own_profile() -> Response:
    """Show the admin that asks."""
    return row_answer("admins", current_viewer().row_id)


@blueprint.patch("/me")
@changes(AdminOut)
@require_auth(allowed("admins", "me"))
@validate(body=AdminPatch)
def change_own_profile(body: Schema) -> Response:
    """Change what an admin may change about itself."""
    return patched_answer("admins", current_viewer().row_id, body)


@blueprint.get("/me/dashboard")
@shows(AdminDashboard)
@require_auth(allowed("admins", "me"))
@validate()
def show_dashboard() -> Response:
    """Show an admin's figures."""
    return dashboard_answer("admins")


@blueprint.get(_ID)
@shows_row(AdminOut)
@require_auth(allowed("admins", "read"))
@validate()
def read_admin(admin_id: int) -> Response:
    """Show an admin."""
    return row_answer("admins", admin_id)


@blueprint.put(_ID)
@changes(AdminOut)
@require_auth(allowed("admins", "update"))
@validate(body=AdminBody)
def replace_admin(admin_id: int, body: AdminBody) -> Response:
    """Write an admin anew."""
    return replaced_answer("admins", admin_id, body)


@blueprint.patch(_ID)
@changes(AdminOut)
@require_auth(allowed("admins", "update"))
@validate(body=AdminPatch)
def change_admin(admin_id: int, body: Schema) -> Response:
    """Change some fields of an admin."""
    return patched_answer("admins", admin_id, body)


@blueprint.delete(_ID)
@removes
@require_auth(allowed("admins", "delete"))
@validate()
def remove_admin(admin_id: int) -> Response:
    """Delete an admin softly."""
    return removed_answer("admins", admin_id)
