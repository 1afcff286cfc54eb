"""Fixtures of the web service: the real app, real Valkey, and services that answer as told."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from gateline.shared.app import Parts
from gateline.shared.config import Settings
from gateline.shared.cookies import SESSION_COOKIE
from gateline.shared.proxy_service import current_proxy
from gateline.shared.sessions import Session
from gateline.web import create_app

ORIGIN = "http://localhost"
SERVICE_KEY = "web-service-key-of-the-tests"


@dataclass
class Stub:
    """Stands in for every service: answers by method and path, and remembers what it was asked."""

    answers: dict[str, Callable[[Request], Response]] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    url: str = ""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Answer as told, else 404 in the standard form."""
        request = Request(environ)
        request.get_data()
        self.asked.append(request)
        answer = self.answers.get(f"{request.method} {request.path}")
        response = answer(request) if answer else refusal(404, "not_found")
        return response(environ, start_response)

    def put(self, route: str, payload: Any, status: int = 200, **headers: str) -> None:
        """Answer a route such as `GET /a` with JSON."""
        self.answers[route] = lambda _: Response(
            json.dumps(payload), status, headers, mimetype="application/json"
        )

    def refuse(self, route: str, status: int, reason: str, message: str = "No.") -> None:
        """Refuse a route in the standard form."""
        self.answers[route] = lambda _: refusal(status, reason, message)


def refusal(status: int, reason: str, message: str = "No.") -> Response:
    """Return an error of the standard form."""
    body = {"error": "No", "message": message, "details": {"reason": reason, "request_id": "r"}}
    return Response(json.dumps(body), status, mimetype="application/json")


@pytest.fixture
def stub() -> Iterator[Stub]:
    """Run the stand-in for the services on a free port."""
    stub = Stub()
    server = make_server("127.0.0.1", 0, stub, threaded=True)
    stub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield stub
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def settings(database_url: str, redis_url: str, stub: Stub) -> Settings:
    """Give settings in which every service is the stand-in."""
    services = ("JWT", "DOCTOR", "PATIENT", "INSTITUTION", "ADMIN", "API")
    return Settings.load(
        {
            "FLASK_ENV": "testing",
            "SECRET_KEY": "a-key-for-tests-that-is-long-enough-for-hs256",
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "SERVICE_KEY": SERVICE_KEY,
            **{f"{name}_SERVICE_URL": stub.url for name in services},
        }
    )


@pytest.fixture
def build(settings: Settings) -> Iterator[Callable[..., Flask]]:
    """Give a function that builds the web service, with some settings changed."""
    built: list[Flask] = []

    def build(**changes: Any) -> Flask:
        built.append(create_app(settings.model_copy(update=changes)))
        return built[-1]

    yield build
    for app in built:
        with app.app_context():
            current_proxy().close()
        app.extensions["gateline"].kv.close()


@pytest.fixture
def app(build: Callable[..., Flask]) -> Flask:
    """Give the web service."""
    return build()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Give a browser without a session."""
    return app.test_client()


@pytest.fixture
def here(app: Flask) -> Parts:
    """Give the app's parts."""
    parts: Parts = app.extensions["gateline"]
    return parts


Open = Callable[..., str]


@pytest.fixture
def open_session(here: Parts) -> Open:
    """Give a function that opens a session as the auth service would and returns its token."""

    def open_session(
        user_type: str = "patient", life: int = 1800, absolute: int = 43200, user_id: int = 7
    ) -> str:
        sid = f"sid-{user_type}-{life}"
        token, claims = here.tokens.issue(
            "access", user_id, f"{user_type}@example.com", user_type, sid, life
        )
        session = Session(
            user_id=user_id,
            email=claims.email,
            user_type=user_type,
            session_id=sid,
            name="Ana Gil",
            issued_at=claims.iat,
            expires_at=claims.exp,
            absolute_expires_at=claims.iat + absolute,
        )
        assert here.sessions.put(token, session)
        return token

    return open_session


@pytest.fixture
def browse(app: Flask, open_session: Open) -> Callable[..., FlaskClient]:
    """Give a function that returns a browser which is logged in by cookie."""

    def browse(user_type: str = "patient", **lives: int) -> FlaskClient:
        client = app.test_client()
        client.set_cookie(SESSION_COOKIE, open_session(user_type, **lives), domain="localhost")
        return client

    return browse


@pytest.fixture
def clinic(stub: Stub) -> Stub:
    """Let the stand-in answer like the clinic."""
    overview = {
        "figures": {"upcoming_appointments": 2, "visits": 31},
        "today": [],
        "recent_entries": [],
        "specialties": [{"specialty": "Cardiology", "doctors": 2}],
        "latest_vitals": {"details": {"systolic": 121, "diastolic": 79, "weight": 61.5}},
        "upcoming_appointments": [
            {
                "id": "1",
                "reason": "Check-up",
                "starts_at": "2031-05-06T07:08:00Z",
                "doctor": {"id": "3", "name": "Dr. Ruiz", "specialty": "Cardiology"},
                "patient": {"id": "4", "name": "Ana Gil"},
            }
        ],
        "care_team": [
            {"id": "3", "name": "Dr. Ruiz", "specialty": "Cardiology", "part": "primary"}
        ],
    }
    for noun in ("patients", "doctors", "institutions"):
        stub.put(f"GET /api/v1/{noun}/me", {"id": "4", "name": "Ana Gil", "phone": "+34 600"})
        stub.put(f"GET /api/v1/{noun}/me/dashboard", overview)
        stub.put(f"GET /api/v1/{noun}", {"items": [{"id": "9", "name": "Bo Li"}]})
    return stub
