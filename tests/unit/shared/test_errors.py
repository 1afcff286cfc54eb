"""The one error body."""

import pytest

from gateline.policy import reasons
from gateline.shared import errors
from gateline.shared.errors import ApiError, NotFound, ValidationFailed, error_body


def test_the_body_has_the_documented_shape() -> None:
    """`error`, `message` and `details` with the stable reason and the request id."""
    assert error_body(reasons.NO_ROUTE, request_id="r1", hint=1) == {
        "error": "Not found",
        "message": "No service answers at this address.",
        "details": {"hint": 1, "reason": "no_route", "request_id": "r1"},
    }


def test_details_never_replace_reason_and_request_id() -> None:
    """What the log and the metrics say is what the body says."""
    body = NotFound(details={"reason": "other", "seen": 3}).body("r1")
    assert body["details"] == {"reason": "not_found", "seen": 3, "request_id": "r1"}


def test_fields_are_listed_by_name() -> None:
    """A validation error names each field."""
    body = ValidationFailed(fields={"email": ["is required"]}).body("r1")
    assert body["details"]["fields"] == {"email": ["is required"]}


def test_a_prescribed_phrase_replaces_the_usual_one() -> None:
    """Documents may prescribe the `error` string."""
    error = ValidationFailed("No.", error="Failed to sync session")
    assert error.body("r1")["error"] == "Failed to sync session"
    assert (error.status, str(error)) == (400, "No.")


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, ApiError)
    ],
)
def test_every_error_stands_on_a_known_reason(kind: type[ApiError]) -> None:
    """No class invents a reason."""
    assert reasons.REASONS[kind().reason.code] is kind().reason
