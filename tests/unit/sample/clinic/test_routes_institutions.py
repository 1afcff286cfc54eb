"""/api/v1/institutions over HTTP."""

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("who", "seen"),
    [("ana", ["North"]), ("south", ["South"]), ("root", ["North", "South"])],
)
def test_everybody_lists_where_it_belongs(clinic: Any, who: str, seen: list[str]) -> None:
    """A doctor sees its employer, an institution itself, an admin all."""
    answer = clinic.as_(who)("GET", "/api/v1/institutions")
    assert [item["name"] for item in answer.json["items"]] == seen


@pytest.mark.parametrize(
    ("query", "seen"),
    [("kind=hospital", ["North"]), ("city=port ellery", ["South"]), ("q=nor", ["North"])],
)
def test_lists_are_filtered(clinic: Any, query: str, seen: list[str]) -> None:
    """Every filter narrows the list."""
    answer = clinic.as_("root")("GET", f"/api/v1/institutions?{query}")
    assert [item["name"] for item in answer.json["items"]] == seen


def test_only_admins_create_and_delete(clinic: Any) -> None:
    """A new institution can be deleted while nobody belongs to it."""
    body = {"name": "East", "website": "https://east.example.org"}
    assert clinic.as_("north")("POST", "/api/v1/institutions", json=body).status_code == 403
    root = clinic.as_("root")
    created = root("POST", "/api/v1/institutions", json=body)
    assert (created.status_code, created.json["kind"]) == (201, "clinic")
    assert root("DELETE", created.headers["Location"]).status_code == 204
    assert root("GET", created.headers["Location"]).status_code == 404


def test_an_institution_with_people_stays(clinic: Any) -> None:
    """Deleting it would leave doctors and patients nowhere: 409."""
    path = f"/api/v1/institutions/{clinic.ids['north']}"
    assert clinic.as_("root")("DELETE", path).status_code == 409
    assert clinic.as_("north")("DELETE", path).status_code == 403


def test_an_institution_keeps_its_own_data(clinic: Any) -> None:
    """It changes its address, not its status; others do not exist for it."""
    north = clinic.as_("north")
    changed = north("PATCH", "/api/v1/institutions/me", json={"address": "Calle Olmo 1"})
    assert changed.json["address"] == "Calle Olmo 1"
    assert north("PATCH", "/api/v1/institutions/me", json={"status": "inactive"}).status_code == 403
    other = f"/api/v1/institutions/{clinic.ids['south']}"
    assert north("GET", other).status_code == 404
    assert north("PUT", other, json={"name": "Mine"}).status_code == 404
    own = f"/api/v1/institutions/{clinic.ids['north']}"
    assert north("PUT", own, json={"name": "North"}).json["kind"] == "hospital"


def test_a_website_is_a_web_address(clinic: Any) -> None:
    """Other schemes are refused: the pages will link to it."""
    body = {"name": "East", "website": "javascript:alert(1)"}
    answer = clinic.as_("root")("POST", "/api/v1/institutions", json=body)
    assert answer.status_code == 400
    assert list(answer.json["details"]["fields"]) == ["website"]
