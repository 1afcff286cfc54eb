"""The role rules, asked without any database."""

import pytest

from gateline.sample.clinic.access import (
    EVERYTHING,
    NOTHING,
    NOUN_OF,
    NOUNS,
    Action,
    Noun,
    Scope,
    Viewer,
    admins_seen_by,
    allowed,
    doctors_seen_by,
    institutions_seen_by,
    locked_fields,
    may_place_at,
    patients_seen_by,
)

PATIENT = Viewer(11, "patient", 1)
DOCTOR = Viewer(21, "doctor", 2, institution_id=7)
FREELANCE = Viewer(22, "doctor", 3)
INSTITUTION = Viewer(31, "institution", 7, institution_id=7)
ADMIN = Viewer(41, "admin", 5)
CUSTOMER = Viewer(51, "customer", 9)


def test_a_patient_may_list_nothing() -> None:
    """No list at all is open to patients."""
    assert all("patient" not in allowed(noun, "list") for noun in NOUNS)


def test_an_admin_may_do_everything_but_act_as_others() -> None:
    """Admins have every right but the profiles of others and the pen of a doctor."""
    actions: tuple[Action, ...] = ("list", "create", "read", "update", "delete")
    assert all("admin" in allowed(noun, action) for noun in NOUNS for action in actions)
    assert allowed("patients", "write_record") == ("doctor",)


@pytest.mark.parametrize("user_type", sorted(NOUN_OF))
def test_me_belongs_to_one_kind(user_type: str) -> None:
    """`/me` of a resource answers only the kind of account that it describes."""
    homes = [noun for noun in NOUNS if user_type in allowed(noun, "me")]
    assert homes == [NOUN_OF[user_type]]


@pytest.mark.parametrize("noun", NOUNS)
def test_customers_have_no_business_here(noun: Noun) -> None:
    """A kind of account that the clinic does not know may do nothing."""
    assert "customer" not in allowed(noun, "read")


@pytest.mark.parametrize(
    ("viewer", "patients", "doctors", "institutions", "admins"),
    [
        (PATIENT, Scope("row", 1), NOTHING, NOTHING, NOTHING),
        (DOCTOR, Scope("doctor", 2), Scope("institution", 7), Scope("row", 7), NOTHING),
        (FREELANCE, Scope("doctor", 3), Scope("row", 3), NOTHING, NOTHING),
        (INSTITUTION, Scope("institution", 7), Scope("institution", 7), Scope("row", 7), NOTHING),
        (ADMIN, EVERYTHING, EVERYTHING, EVERYTHING, EVERYTHING),
        (CUSTOMER, NOTHING, NOTHING, NOTHING, NOTHING),
    ],
    ids=["patient", "doctor", "freelance", "institution", "admin", "customer"],
)
def test_what_exists_for_whom(
    viewer: Viewer, patients: Scope, doctors: Scope, institutions: Scope, admins: Scope
) -> None:
    """Each kind of account sees its own part of each resource."""
    assert patients_seen_by(viewer) == patients
    assert doctors_seen_by(viewer) == doctors
    assert institutions_seen_by(viewer) == institutions
    assert admins_seen_by(viewer) == admins


@pytest.mark.parametrize(
    ("viewer", "noun", "row_id", "locked"),
    [
        (PATIENT, "patients", 1, ["blood_type", "institution_id", "status", "user_id"]),
        (DOCTOR, "patients", 1, ["institution_id", "user_id"]),
        (INSTITUTION, "patients", 1, ["institution_id", "user_id"]),
        (ADMIN, "patients", 1, []),
    ],
    ids=["itself", "doctor", "institution", "admin"],
)
def test_who_may_change_what_of_a_patient(
    viewer: Viewer, noun: Noun, row_id: int, locked: list[str]
) -> None:
    """A patient changes its contact data, its keepers all but where it belongs, an admin all."""
    fields = ("name", "phone", "user_id", "status", "blood_type", "institution_id")
    assert locked_fields(viewer, noun, row_id, fields) == locked


def test_a_colleague_is_only_looked_at() -> None:
    """A doctor changes nothing of another doctor, but its own name and biography."""
    assert locked_fields(DOCTOR, "doctors", 99, ("name",)) == ["name"]
    assert locked_fields(DOCTOR, "doctors", 2, ("name", "biography")) == []
    assert locked_fields(DOCTOR, "doctors", 2, ("specialty", "status")) == ["specialty", "status"]


def test_an_admin_cannot_deactivate_itself() -> None:
    """So that at least one admin stays."""
    assert locked_fields(ADMIN, "admins", 5, ("status", "name")) == ["status"]
    assert locked_fields(ADMIN, "admins", 6, ("status",)) == []


def test_only_an_admin_places_people_elsewhere() -> None:
    """Staff creates people at its own institution, a freelance doctor at none."""
    assert may_place_at(DOCTOR, 7)
    assert not may_place_at(DOCTOR, 8)
    assert may_place_at(FREELANCE, None)
    assert not may_place_at(FREELANCE, 7)
    assert may_place_at(ADMIN, 8)
