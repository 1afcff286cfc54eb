"""The clinic's payload schemas."""

import pytest
from pydantic import ValidationError

from gateline.sample.clinic.schemas import (
    DoctorBody,
    DoctorPatch,
    PatientBody,
    PatientPatch,
    PatientQuery,
)


def test_a_patch_is_the_body_without_duties() -> None:
    """The same fields under the same rules, none required, and only what was sent counts."""
    assert set(PatientPatch.model_fields) == set(PatientBody.model_fields)
    assert PatientPatch().model_dump(exclude_unset=True) == {}
    sent = DoctorPatch.model_validate({"accepting_patients": False, "phone": None})
    assert sent.model_dump(exclude_unset=True) == {"accepting_patients": False, "phone": None}
    for wrong in ({"name": None}, {"name": ""}, {"name": "x" * 121}, {"shoe_size": 44}):
        with pytest.raises(ValidationError):
            PatientPatch.model_validate(wrong)


@pytest.mark.parametrize("given", [12, "12"])
def test_an_id_is_a_number_or_its_digits(given: object) -> None:
    """Bodies and queries take both forms."""
    body = DoctorBody.model_validate({"name": "D", "specialty": "X-ray", "institution_id": given})
    assert body.institution_id == 12
    assert PatientQuery.model_validate({"institution": given}).institution == 12


@pytest.mark.parametrize("given", [0, -1, 1.0, True, "1.0", "١٢", "", 2**63, "9" * 30, [1]])
def test_anything_else_is_no_id(given: object) -> None:
    """Not even what Python would take for a number."""
    with pytest.raises(ValidationError):
        PatientQuery.model_validate({"institution": given})


def test_a_specialty_that_is_required_cannot_be_emptied() -> None:
    """`null` in a PATCH is a value, and this field has none such."""
    with pytest.raises(ValidationError):
        DoctorPatch.model_validate({"specialty": None})
