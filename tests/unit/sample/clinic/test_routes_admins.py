"""/api/v1/admins over HTTP."""

from typing import Any

import pytest


@pytest.mark.parametrize("who", ["pat", "ana", "north"])
@pytest.mark.parametrize("path", ["/api/v1/admins", "/api/v1/admins/me", "/api/v1/admins/1"])
def test_only_admins_meet_admins(clinic: Any, who: str, path: str) -> None:
    """The resource is closed to every other kind of account."""
    assert clinic.as_(who)("GET", path).status_code == 403


def test_admins_keep_each_other(clinic: Any) -> None:
    """An admin creates, changes and deletes another."""
    root = clinic.as_("root")
    created = root("POST", "/api/v1/admins/", json={"name": "Third"})
    place = created.headers["Location"]
    assert root("PATCH", place, json={"status": "inactive"}).json["status"] == "inactive"
    assert root("PUT", place, json={"name": "Tertius"}).json["status"] == "active"
    listed = root("GET", "/api/v1/admins").json["items"]
    assert [item["name"] for item in listed] == ["Deputy", "Root", "Tertius"]
    assert root("GET", "/api/v1/admins?status=inactive").json["items"] == []
    assert root("DELETE", place).status_code == 204
    assert root("GET", place).status_code == 404


def test_an_admin_cannot_lock_itself_out(clinic: Any) -> None:
    """It neither deletes nor deactivates itself."""
    root, own = clinic.as_("root"), f"/api/v1/admins/{clinic.ids['root']}"
    assert root("DELETE", own).status_code == 409
    assert root("PATCH", "/api/v1/admins/me", json={"status": "inactive"}).status_code == 403
    changed = root("PATCH", "/api/v1/admins/me", json={"department": "Records"})
    assert changed.json["department"] == "Records"
