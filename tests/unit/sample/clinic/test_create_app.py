"""The clinic as a whole and in parts."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from gateline.sample.clinic import PARTS, create_app


def test_one_part_is_a_service_of_its_own(
    clinic: Any, make_clinic_app: Callable[..., Flask]
) -> None:
    """It answers its own resource, names itself, and knows no other."""
    app = make_clinic_app(parts=("doctors",), clock=clinic.clock)
    ana = clinic.as_("ana")
    headers = ana.headers
    client = app.test_client()
    assert client.get("/api/v1/doctors", headers=headers).status_code == 200
    assert client.get("/api/v1/patients", headers=headers).status_code == 404
    assert client.get("/health").get_json()["service"] == "doctors"


def test_an_unknown_part_is_refused() -> None:
    """A typing error is told at the start, with what there is."""
    with pytest.raises(ValueError, match="nurses"):
        create_app(parts=("doctors", "nurses"))
    with pytest.raises(ValueError, match="none"):
        create_app(parts=())


def test_every_view_states_who_may_enter(clinic: Any) -> None:
    """No address of the clinic answers without a session, whatever the method."""
    client = clinic.app.test_client()
    rules = [rule for rule in clinic.app.url_map.iter_rules() if rule.rule.startswith("/api/")]
    assert len(rules) > 30
    for rule in rules:
        path = rule.rule.replace("<row_id:patient_id>", "1").replace("<row_id:doctor_id>", "1")
        path = path.replace("<row_id:institution_id>", "1").replace("<row_id:admin_id>", "1")
        path = path.replace("<row_id:entry_id>", "1")
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
            answer = client.open(path, method=method, json={})
            assert answer.status_code == 401, (method, path)


def test_parts_are_the_four_nouns() -> None:
    """The parts are what the gateway routes to."""
    assert set(PARTS) == {"doctors", "patients", "institutions", "admins"}


def test_a_session_ends_everywhere(clinic: Any) -> None:
    """A token whose entry was deleted in Valkey is refused with the next request."""
    ana = clinic.as_("ana")
    assert ana("GET", "/api/v1/doctors/me").status_code == 200
    token = ana.headers["Authorization"].removeprefix("Bearer ")
    assert clinic.app.extensions["gateline"].sessions.drop(token)
    assert ana("GET", "/api/v1/doctors/me").status_code == 401
