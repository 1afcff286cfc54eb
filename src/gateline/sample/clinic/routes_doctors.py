"""/api/v1/doctors: doctors and their appointments."""

from flask import Blueprint, Response

from gateline.sample.clinic import care
from gateline.sample.clinic.access import allowed
from gateline.sample.clinic.answers import (
    created_answer,
    dashboard_answer,
    list_answer,
    page_answer,
    patched_answer,
    removed_answer,
    replaced_answer,
    row_answer,
)
from gateline.sample.clinic.dashboard_schemas import DoctorDashboard
from gateline.sample.clinic.declared import changes, creates, lists, removes, shows, shows_row
from gateline.sample.clinic.models import Appointment
from gateline.sample.clinic.schemas import (
    AppointmentOut,
    AppointmentQuery,
    DoctorBody,
    DoctorOut,
    DoctorPatch,
    DoctorQuery,
)
from gateline.sample.clinic.viewers import current_viewer, now
from gateline.shared.middleware.auth import require_auth
from gateline.shared.middleware.validation import validate
from gateline.shared.schemas.base import Schema

blueprint = Blueprint("doctors", __name__, url_prefix="/api/v1/doctors")

_ID = "/<row_id:doctor_id>"


@blueprint.get("")
@lists(DoctorOut)
@require_auth(allowed("doctors", "list"))
@validate(query=DoctorQuery)
def list_doctors(query: DoctorQuery) -> Response:
    """List the doctors of the viewer's institution, or all."""
    return list_answer("doctors", query)


@blueprint.post("")
@creates(DoctorOut)
@require_auth(allowed("doctors", "create"))
@validate(body=DoctorBody)
def create_doctor(body: DoctorBody) -> Response:
    """Create a doctor, at the institution that asks unless an admin says otherwise."""
    return created_answer("doctors", body)


@blueprint.get("/me")
@shows_row(DoctorOut)
@require_auth(allowed("doctors", "me"))
@validate()
def read_own_profile() -> Response:
    """Show the doctor that asks."""
    return row_answer("doctors", current_viewer().row_id)


@blueprint.patch("/me")
@changes(DoctorOut)
@require_auth(allowed("doctors", "me"))
@validate(body=DoctorPatch)
def change_own_profile(body: Schema) -> Response:
    """Change what a doctor may change about itself."""
    return patched_answer("doctors", current_viewer().row_id, body)


@blueprint.get("/me/dashboard")
@shows(DoctorDashboard)
@require_auth(allowed("doctors", "me"))
@validate()
def show_dashboard() -> Response:
    """Show a doctor's figures."""
    return dashboard_answer("doctors")


@blueprint.get("/me/appointments")
@lists(AppointmentOut)
@require_auth(allowed("doctors", "me"))
@validate(query=AppointmentQuery)
def read_own_appointments(query: AppointmentQuery) -> Response:
    """List the appointments of the doctor that asks."""
    mine = Appointment.doctor_id == current_viewer().row_id
    return page_answer(care.appointments(mine, query, now()), AppointmentOut)


@blueprint.get(_ID)
@shows_row(DoctorOut)
@require_auth(allowed("doctors", "read"))
@validate()
def read_doctor(doctor_id: int) -> Response:
    """Show a doctor."""
    return row_answer("doctors", doctor_id)


@blueprint.put(_ID)
@changes(DoctorOut)
@require_auth(allowed("doctors", "update"))
@validate(body=DoctorBody)
def replace_doctor(doctor_id: int, body: DoctorBody) -> Response:
    """Write a doctor anew."""
    return replaced_answer("doctors", doctor_id, body)


@blueprint.patch(_ID)
@changes(DoctorOut)
@require_auth(allowed("doctors", "update"))
@validate(body=DoctorPatch)
def change_doctor(doctor_id: int, body: Schema) -> Response:
    """Change some fields of a doctor."""
    return patched_answer("doctors", doctor_id, body)


@blueprint.delete(_ID)
@removes
@require_auth(allowed("doctors", "delete"))
@validate()
def remove_doctor(doctor_id: int) -> Response:
    """Delete a doctor softly."""
    return removed_answer("doctors", doctor_id)
