"""/api/v1/patients: patients, their medical record, care team and appointments."""

from flask import Blueprint, Response, jsonify

from gateline.policy.reasons import ACCOUNT_INACTIVE, CONFLICT
from gateline.sample.clinic import care, directory
from gateline.sample.clinic.access import allowed
from gateline.sample.clinic.answers import (
    created_answer,
    dashboard_answer,
    list_answer,
    once_answer,
    page_answer,
    patched_answer,
    removed_answer,
    replaced_answer,
    row_answer,
)
from gateline.sample.clinic.dashboard_schemas import PatientDashboard
from gateline.sample.clinic.declared import changes, creates, lists, removes, shows, shows_row
from gateline.sample.clinic.models import Appointment
from gateline.sample.clinic.record_schemas import EntryBody, EntryOut, EntryQuery, RecordOut
from gateline.sample.clinic.schemas import (
    AppointmentOut,
    AppointmentQuery,
    CareBody,
    CareMember,
    NamedRef,
    PatientBody,
    PatientOut,
    PatientPatch,
    PatientQuery,
)
from gateline.sample.clinic.viewers import current_viewer, now
from gateline.shared.database import transaction_context
from gateline.shared.declarations import answers, refuses
from gateline.shared.idempotency import Answer
from gateline.shared.middleware.auth import require_auth
from gateline.shared.middleware.validation import validate
from gateline.shared.schemas.base import Schema, json_dump

blueprint = Blueprint("patients", __name__, url_prefix="/api/v1/patients")

_ID = "/<row_id:patient_id>"


@blueprint.get("")
@lists(PatientOut)
@require_auth(allowed("patients", "list"))
@validate(query=PatientQuery)
def list_patients(query: PatientQuery) -> Response:
    """List the patients that the viewer looks after."""
    return list_answer("patients", query)


@blueprint.post("")
@creates(PatientOut)
@require_auth(allowed("patients", "create"))
@validate(body=PatientBody)
def create_patient(body: PatientBody) -> Response:
    """Create a patient; one that a doctor creates joins its care."""
    return created_answer("patients", body)


@blueprint.get("/me")
@shows_row(PatientOut)
@require_auth(allowed("patients", "me"))
@validate()
def read_own_profile() -> Response:
    """Show the patient who asks."""
    return row_answer("patients", current_viewer().row_id)


@blueprint.patch("/me")
@changes(PatientOut)
@require_auth(allowed("patients", "me"))
@validate(body=PatientPatch)
def change_own_profile(body: Schema) -> Response:
    """Change what a patient may change about itself."""
    return patched_answer("patients", current_viewer().row_id, body)


@blueprint.get("/me/dashboard")
@shows(PatientDashboard)
@require_auth(allowed("patients", "me"))
@validate()
def show_dashboard() -> Response:
    """Show a patient's figures."""
    return dashboard_answer("patients")


@blueprint.get("/me/medical-record")
@shows(RecordOut)
@require_auth(allowed("patients", "me"))
@validate(query=EntryQuery)
def read_own_record(query: EntryQuery) -> Response:
    """Show the medical record of the patient who asks."""
    return _record(current_viewer().row_id, query)


@blueprint.get("/me/care-team")
@lists(CareMember)
@require_auth(allowed("patients", "me"))
@validate()
def read_own_team() -> Response:
    """Show who looks after the patient who asks."""
    return _team(current_viewer().row_id)


@blueprint.get("/me/appointments")
@lists(AppointmentOut)
@require_auth(allowed("patients", "me"))
@validate(query=AppointmentQuery)
def read_own_appointments(query: AppointmentQuery) -> Response:
    """List the appointments of the patient who asks."""
    return _appointments(current_viewer().row_id, query)


@blueprint.get(_ID)
@shows_row(PatientOut)
@require_auth(allowed("patients", "read"))
@validate()
def read_patient(patient_id: int) -> Response:
    """Show a patient."""
    return row_answer("patients", patient_id)


@blueprint.put(_ID)
@changes(PatientOut)
@require_auth(allowed("patients", "update"))
@validate(body=PatientBody)
def replace_patient(patient_id: int, body: PatientBody) -> Response:
    """Write a patient anew."""
    return replaced_answer("patients", patient_id, body)


@blueprint.patch(_ID)
@changes(PatientOut)
@require_auth(allowed("patients", "update"))
@validate(body=PatientPatch)
def change_patient(patient_id: int, body: Schema) -> Response:
    """Change some fields of a patient."""
    return patched_answer("patients", patient_id, body)


@blueprint.delete(_ID)
@removes
@require_auth(allowed("patients", "delete"))
@validate()
def remove_patient(patient_id: int) -> Response:
    """Delete a patient softly."""
    return removed_answer("patients", patient_id)


@blueprint.get(f"{_ID}/medical-record")
@shows(RecordOut)
@require_auth(allowed("patients", "read_record"))
@validate(query=EntryQuery)
def read_record(patient_id: int, query: EntryQuery) -> Response:
    """Show a patient's medical record."""
    return _record(patient_id, query)


@blueprint.post(f"{_ID}/medical-record")
@creates(EntryOut)
@require_auth(allowed("patients", "write_record"))
@validate(body=EntryBody)
def add_entry(patient_id: int, body: EntryBody) -> Response:
    """Write an entry into the record of a patient in the doctor's care."""
    viewer, at = current_viewer(), now()

    def create() -> Answer:
        directory.find("patients", viewer, patient_id)
        row = care.add_entry(viewer, patient_id, body, at)
        place = f"/api/v1/patients/{patient_id}/medical-record/{row.id}"
        return Answer(201, json_dump(EntryOut.model_validate(row)), {"Location": place})

    return once_answer(create)


@blueprint.get(f"{_ID}/medical-record/<row_id:entry_id>")
@shows(EntryOut)
@require_auth(allowed("patients", "read_record"))
@validate()
def read_entry(patient_id: int, entry_id: int) -> Response:
    """Show one entry of a patient's record."""
    directory.find("patients", current_viewer(), patient_id)
    return jsonify(json_dump(EntryOut.model_validate(care.entry(patient_id, entry_id))))


@blueprint.get(f"{_ID}/care-team")
@lists(CareMember)
@require_auth(allowed("patients", "read_record"))
@validate()
def read_team(patient_id: int) -> Response:
    """Show who looks after a patient."""
    return _team(patient_id)


@blueprint.put(f"{_ID}/care-team/<row_id:doctor_id>")
@lists(CareMember)
@refuses(CONFLICT)
@require_auth(allowed("patients", "assign_care"))
@validate(body=CareBody)
def join_team(patient_id: int, doctor_id: int, body: CareBody) -> Response:
    """Give a doctor a part in a patient's care."""
    viewer = current_viewer()
    with transaction_context():
        directory.find("patients", viewer, patient_id)
        care.join_team(viewer, patient_id, doctor_id, body.part, now().date())
    return _team(patient_id)


@blueprint.delete(f"{_ID}/care-team/<row_id:doctor_id>")
@answers(204, description="It has ended.")
@refuses(ACCOUNT_INACTIVE)
@require_auth(allowed("patients", "assign_care"))
@validate()
def leave_team(patient_id: int, doctor_id: int) -> Response:
    """End a doctor's part in a patient's care."""
    with transaction_context():
        directory.find("patients", current_viewer(), patient_id)
        care.leave_team(patient_id, doctor_id)
    return Response(status=204)


@blueprint.get(f"{_ID}/appointments")
@lists(AppointmentOut)
@require_auth(allowed("patients", "read_record"))
@validate(query=AppointmentQuery)
def read_appointments(patient_id: int, query: AppointmentQuery) -> Response:
    """List a patient's appointments."""
    return _appointments(patient_id, query)


def _record(patient_id: int, query: EntryQuery) -> Response:
    patient = directory.find("patients", current_viewer(), patient_id)
    found = care.record_page(patient_id, query)
    record = RecordOut(
        patient=NamedRef.model_validate(patient),
        counts=care.record_counts(patient_id),
        items=[EntryOut.model_validate(entry) for entry in found.rows],
        next_cursor=found.next_cursor,
    )
    return jsonify(json_dump(record))


def _team(patient_id: int) -> Response:
    directory.find("patients", current_viewer(), patient_id)
    members = [json_dump(member) for member in care.team(patient_id)]
    return jsonify({"items": members, "next_cursor": None})


def _appointments(patient_id: int, query: AppointmentQuery) -> Response:
    directory.find("patients", current_viewer(), patient_id)
    condition = Appointment.patient_id == patient_id
    return page_answer(care.appointments(condition, query, now()), AppointmentOut)
