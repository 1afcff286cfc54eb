"""Document 4, the retail gateway: its public API and the services behind it, over HTTP.

The administrators' part of document 4 is in the other modules of that number.
"""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from running_platform import RunningPlatform

from gateline.shared.config import Settings
from gateline.shared.routing import platform_services

SECONDS = 15
PASSWORD = "correct horse battery"
PUBLIC = ("/cameras", "/logs", "/alerts/count")


@pytest.fixture
def new_customer() -> dict[str, Any]:
    """Give a registration that nobody has sent yet."""
    email = f"customer-{uuid.uuid4().hex}@example.com"
    return {"email": email, "password": PASSWORD, "name": "Nora Lind"}


class Processor:
    """The edge processor behind the gateway, as its cameras reach it."""

    def __init__(self, platform: RunningPlatform) -> None:
        self.url = platform.env["EDGE_PROCESSOR_URL"]
        self.session = requests.Session()
        self.session.headers["X-Service-Key"] = platform.service_key()

    def report(self, *events: dict[str, Any]) -> requests.Response:
        """Send events as a service."""
        body = {"events": list(events)}
        return self.session.post(f"{self.url}/events", json=body, timeout=SECONDS)

    def put_camera(self, code: str) -> None:
        """Put a camera up."""
        body = {"name": "Test stand", "zone": "test"}
        url = f"{self.url}/cameras/{code}"
        assert self.session.put(url, json=body, timeout=SECONDS).status_code == 201


@pytest.fixture
def processor(platform: RunningPlatform) -> Iterator[Processor]:
    """Give the edge processor."""
    client = Processor(platform)
    yield client
    client.session.close()


@pytest.fixture
def camera(processor: Processor) -> str:
    """Give the code of a camera of the test's own."""
    code = f"test-{uuid.uuid4().hex[:8]}"
    processor.put_camera(code)
    return code


def event(camera: str, state: str, *, seconds_ago: float = 1) -> dict[str, Any]:
    """Return an event of a camera's state."""
    at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    return {
        "id": str(uuid.uuid4()),
        "type": "camera",
        "camera_id": camera,
        "zone": "test",
        "occurred_at": at.isoformat(),
        "data": {"state": state},
    }


def test_register(http: Any, new_customer: dict[str, Any]) -> None:
    """Document 4, `POST /register`: a customer is registered and can log in at once."""
    answer = http("POST", "/register", json=new_customer)
    assert answer.status_code == 201, answer.text
    customer = answer.json()["customer"]
    assert customer["email"] == new_customer["email"]
    assert customer["name"] == "Nora Lind"
    assert PASSWORD not in answer.text
    credentials = {"email": new_customer["email"], "password": PASSWORD}
    login = http("POST", "/api/auth/login", json=credentials)
    assert login.status_code == 200
    assert login.json()["user"]["user_type"] == "customer"
    assert login.json()["user"]["id"] == customer["user_id"]


def test_register_a_duplicate(http: Any, new_customer: dict[str, Any]) -> None:
    """Document 4, `POST /register`: an e-mail that has an account is refused (409)."""
    assert http("POST", "/register", json=new_customer).status_code == 201
    for body in (new_customer, {**new_customer, "password": "another password"}):
        again = http("POST", "/register", json=body)
        assert again.status_code == 409
        assert set(again.json()) == {"error", "message", "details"}


def test_register_completes_a_customers_account(http: Any, new_customer: dict[str, Any]) -> None:
    """Document 4, `POST /register`: nothing stays half done, an account alone is completed."""
    account = {name: new_customer[name] for name in ("email", "password")}
    assert http("POST", "/api/auth/register", json=account).status_code == 201
    wrong = {**new_customer, "password": "not the password"}
    assert http("POST", "/register", json=wrong).status_code == 409
    assert http("POST", "/register", json=new_customer).status_code == 201


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"password": "short"}, "password"),
        ({"user_type": "admin"}, "user_type"),
        ({"phone": "<script>"}, "phone"),
    ],
)
def test_register_validates(
    http: Any, new_customer: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    """Document 4, Security Considerations, input validation: each wrong field is named (400)."""
    answer = http("POST", "/register", json={**new_customer, **change})
    assert answer.status_code == 400
    assert field in answer.json()["details"]["fields"]


def test_register_is_a_page_for_people(http: Any) -> None:
    """Document 4, `POST /register`: only posting goes to the user service, reading to the web."""
    answer = http("GET", "/register", headers={"Accept": "text/html"})
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", PUBLIC)
def test_public_api(http: Any, path: str) -> None:
    """Document 4, Public API: answered to everybody, with and without the last slash."""
    for written in (path, f"{path}/"):
        answer = http("GET", written)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "application/json"
        assert "X-Gateline-Error" not in answer.headers


@pytest.mark.parametrize("path", PUBLIC)
def test_public_api_is_for_reading(http: Any, path: str) -> None:
    """Document 4, Public API: these addresses are read; writing is 405 in the standard body."""
    answer = http("POST", path, json={})
    assert answer.status_code == 405
    assert answer.json()["details"]["reason"] == "method_not_allowed"


def test_cameras(http: Any) -> None:
    """Document 4, `GET /cameras`, Camera list: every camera with name, zone and state."""
    cameras = http("GET", "/cameras", params={"limit": 100}).json()["items"]
    assert {"cam-01", "cam-12"} <= {camera["id"] for camera in cameras}
    for camera in cameras:
        assert {"id", "name", "zone", "status", "last_seen_at", "open_alerts"} <= set(camera)
        assert camera["status"] in {"online", "offline", "tampered"}
    page = http("GET", "/cameras", params={"limit": 1}).json()
    assert len(page["items"]) == 1
    assert page["total"] == len(cameras)


def test_logs(http: Any) -> None:
    """Document 4, `GET /logs`, Event logs: a week of the shop, the latest first, page by page."""
    first = http("GET", "/logs", params={"limit": 100}).json()
    second = http("GET", "/logs", params={"limit": 100, "cursor": first["next_cursor"]}).json()
    items = first["items"] + second["items"]
    times = [item["occurred_at"] for item in items]
    assert times == sorted(times, reverse=True)
    assert len({item["id"] for item in items}) == 200
    week_ago = (datetime.now(UTC) - timedelta(days=6)).isoformat()
    oldest = http("GET", "/logs", params={"until": week_ago, "limit": 1}).json()
    assert len(oldest["items"]) == 1


def test_logs_are_filtered(http: Any) -> None:
    """Document 4, `GET /logs`, Event logs: by type and severity."""
    wanted = {"type": "shelf", "severity": "warning", "limit": 5}
    items = http("GET", "/logs", params=wanted).json()["items"]
    assert items
    assert {(item["type"], item["severity"]) for item in items} == {("shelf", "warning")}


def test_alert_count(http: Any) -> None:
    """Document 4, `GET /alerts/count`, Alert count: open, closed, in total and by severity."""
    found = http("GET", "/alerts/count").json()
    assert found["count"] == found["open"]
    assert found["total"] == found["open"] + found["closed"] > 10
    assert set(found["by_severity"]) == {"warning", "critical"}
    assert sum(one["open"] for one in found["by_severity"].values()) == found["open"]
    assert sum(one["total"] for one in found["by_severity"].values()) == found["total"]


def test_events_become_alerts(http: Any, processor: Processor, camera: str) -> None:
    """Document 4, Public API: what a camera reports is at once in log, list and count."""
    taken = processor.report(event(camera, "tampered"))
    assert taken.json() == {
        "accepted": 1,
        "duplicates": 0,
        "alerts_opened": 1,
        "alerts_closed": 0,
    }
    [logged] = http("GET", "/logs", params={"camera_id": camera}).json()["items"]
    assert (logged["severity"], logged["data"]) == ("critical", {"state": "tampered"})
    count = http("GET", "/alerts/count", params={"camera_id": camera}).json()
    assert count["by_severity"]["critical"] == {"open": 1, "total": 1}
    assert processor.report(event(camera, "online", seconds_ago=0)).json()["alerts_closed"] == 1
    assert http("GET", "/alerts/count", params={"camera_id": camera}).json()["open"] == 0
    shown = http("GET", "/cameras", params={"zone": "test", "limit": 100}).json()["items"]
    [own] = [one for one in shown if one["id"] == camera]
    assert (own["status"], own["open_alerts"]) == ("online", 0)


def test_events_are_taken_once(http: Any, processor: Processor, camera: str) -> None:
    """Document 4, Service Routing: a report that is sent twice is in the log once."""
    report = event(camera, "online")
    assert processor.report(report).json()["accepted"] == 1
    assert processor.report(report).json()["duplicates"] == 1
    logged = http("GET", "/logs", params={"camera_id": camera}).json()["items"]
    assert len(logged) == 1


def test_events_are_not_taken_at_the_gateway(http: Any, platform: RunningPlatform) -> None:
    """Document 4, Service Routing: cameras report to the edge processor, not to the public."""
    headers = {"X-Service-Key": platform.service_key()}
    answer = http("POST", "/events", json={"events": []}, headers=headers)
    assert answer.status_code in {404, 405}
    behind = requests.post(
        f"{platform.env['EDGE_PROCESSOR_URL']}/events", json={"events": []}, timeout=SECONDS
    )
    assert behind.status_code == 403


def test_service_urls() -> None:
    """Document 4, Environment: USER_SERVICE_URL and EDGE_PROCESSOR_URL say where they are."""
    settings = Settings.load(
        {
            "FLASK_ENV": "testing",
            "SECRET_KEY": "k" * 40,
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "USER_SERVICE_URL": "http://user-service:8001",
            "EDGE_PROCESSOR_URL": "http://edge-processor:8000",
        }
    )
    services = platform_services(settings)
    assert services["users"].urls == ("http://user-service:8001",)
    assert services["events"].urls == ("http://edge-processor:8000",)


def test_both_services_are_in_health(http: Any) -> None:
    """Document 4, Monitoring: the gateway's health shows the user service and the processor."""
    upstreams = http("GET", "/health").json()["upstreams"]
    for name in ("users", "events"):
        assert upstreams[name]["status"] == "healthy"
        assert upstreams[name]["database"] == "connected"


def test_a_day_in_the_shop(platform: RunningPlatform, http: Any) -> None:
    """Document 4, retail analytics system: the simulator's events arrive at the public log."""
    started = datetime.now(UTC).isoformat()
    played = subprocess.run(
        [*(sys.executable, "-m", "gateline"), *("simulate", "retail", "--for", "2")],
        cwd=platform.folder,
        env={**os.environ, **platform.env},
        check=True,
        capture_output=True,
        text=True,
    )
    assert "Taken: " in played.stdout
    live = http("GET", "/logs", params={"since": started}).json()["items"]
    assert live
