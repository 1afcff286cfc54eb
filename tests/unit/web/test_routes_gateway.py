"""The gateway in Flask alone: routes, sessions, roles, and what passes in which direction."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.unit.web.conftest import Open, Stub
from werkzeug.wrappers import Request, Response

from gateline.shared.cookies import SESSION_COOKIE

Browse = Callable[..., FlaskClient]
EVERY_METHOD = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def reason_of(response: Any) -> str:
    """Return the stable reason of a refusal."""
    return str(json.loads(response.data)["details"]["reason"])


def bearer(token: str) -> dict[str, str]:
    """Return the header of a token."""
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def echo(stub: Stub) -> Stub:
    """Let the stand-in answer every path with what it was asked."""

    class Everything(dict[str, Callable[[Request], Response]]):
        def get(self, key: str, default: Any = None) -> Any:  # noqa: ARG002 # the name of dict.get
            return super().get(key, lambda _: Response(json.dumps({"at": key}), 200))

    stub.answers = Everything()
    return stub


@pytest.mark.parametrize("method", EVERY_METHOD)
def test_every_method_passes(
    client: FlaskClient, echo: Stub, open_session: Open, method: str
) -> None:
    """Every method reaches the service, with path, query and body as they were sent."""
    response = client.open(
        "/api/v1/patients/12/record?kind=visit&kind=allergy",
        method=method,
        data=b'{"a": 1}' if method not in ("GET", "OPTIONS") else None,
        headers=bearer(open_session("doctor")),
    )
    asked = echo.asked[-1]
    assert response.status_code == 200
    assert asked.method == method
    assert asked.environ["RAW_URI"] == "/api/v1/patients/12/record?kind=visit&kind=allergy"
    assert asked.get_data() == (b"" if method in ("GET", "OPTIONS") else b'{"a": 1}')


def test_head_has_no_body(client: FlaskClient, echo: Stub, open_session: Open) -> None:
    """HEAD reaches the service as HEAD."""
    response = client.head("/api/v1/patients/12", headers=bearer(open_session("doctor")))
    assert response.status_code == 200
    assert echo.asked[-1].method == "HEAD"
    assert response.data == b""


def test_identity_is_told(client: FlaskClient, echo: Stub, open_session: Open) -> None:
    """The service learns the token and whose it is."""
    token = open_session("doctor")
    client.get("/api/v1/doctors", headers=bearer(token))
    headers = echo.asked[-1].headers
    assert headers["Authorization"] == f"Bearer {token}"
    assert headers["X-User-ID"] == "7"
    assert headers["X-User-Type"] == "doctor"
    assert headers["X-User-Email"] == "doctor@example.com"
    assert len(headers["X-Request-ID"]) >= 8


def test_a_cookie_becomes_a_bearer(browse: Browse, echo: Stub) -> None:
    """A session that came by cookie goes on as a bearer token, and the cookie stays here."""
    client = browse("doctor")
    client.set_cookie("theme", "dark", domain="localhost")
    client.get("/api/v1/doctors")
    headers = echo.asked[-1].headers
    assert headers["Authorization"].startswith("Bearer ")
    assert SESSION_COOKIE not in headers.get("Cookie", "")
    assert "theme=dark" in headers["Cookie"]


@pytest.mark.parametrize("name", ["X-User-ID", "x-user-type", "X-USER-EMAIL", "X-Real-IP"])
def test_identity_cannot_be_spoofed(
    client: FlaskClient, echo: Stub, open_session: Open, name: str
) -> None:
    """A client's own identity headers never reach a service."""
    client.get("/api/v1/patients", headers=bearer(open_session("doctor")) | {name: "spoofed"})
    assert "spoofed" not in str(echo.asked[-1].headers)
    client.get("/api/auth/sessions", headers={name: "spoofed"})
    assert "spoofed" not in str(echo.asked[-1].headers)


def test_connection_cannot_remove_identity(
    client: FlaskClient, echo: Stub, open_session: Open
) -> None:
    """Connection header cannot remove identity (Traefik CVE-2024-45410)."""
    client.get(
        "/api/v1/patients",
        headers=bearer(open_session("doctor")) | {"Connection": "close, X-User-ID, X-User-Type"},
    )
    assert echo.asked[-1].headers["X-User-ID"] == "7"
    assert echo.asked[-1].headers["X-User-Type"] == "doctor"


@pytest.mark.parametrize(
    ("path", "may"),
    [
        ("/api/v1/doctors", {"doctor", "institution", "admin"}),
        ("/api/v1/doctors/1", {"doctor", "institution", "admin"}),
        ("/api/v1/patients/", {"patient", "doctor", "institution", "admin"}),
        ("/api/v1/institutions", {"doctor", "institution", "admin"}),
        ("/api/v1/admins", {"admin"}),
        ("/api/users/me", {"patient", "doctor", "institution", "admin", "customer"}),
        ("/api/orders/order_1", {"patient", "doctor", "institution", "admin", "customer"}),
    ],
)
@pytest.mark.parametrize("user_type", ["patient", "doctor", "institution", "admin", "customer"])
def test_roles(
    client: FlaskClient, echo: Stub, open_session: Open, path: str, may: set[str], user_type: str
) -> None:
    """Each kind of account reaches its routes and is refused on the others (403)."""
    response = client.get(path, headers=bearer(open_session(user_type)))
    if user_type in may:
        assert response.status_code == 200
        assert echo.asked[-1].path == path
    else:
        assert response.status_code == 403
        assert reason_of(response) == "role_missing"
        assert echo.asked == []


@pytest.mark.parametrize(
    "path", ["/api/v1/doctors", "/api/v1/me", "/api/users/me", "/api/orders", "/api/v1/admins/x"]
)
def test_without_session(client: FlaskClient, echo: Stub, path: str) -> None:
    """Without a session nothing passes (401), and no service is troubled."""
    response = client.get(path)
    assert response.status_code == 401
    assert reason_of(response) == "session_missing"
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert echo.asked == []


@pytest.mark.parametrize(
    ("user_type", "home"),
    [
        ("patient", "patients"),
        ("doctor", "doctors"),
        ("institution", "institutions"),
        ("admin", "admins"),
    ],
)
@pytest.mark.parametrize("rest", ["", "/dashboard", "/a/b"])
def test_me(
    client: FlaskClient, echo: Stub, open_session: Open, user_type: str, home: str, rest: str
) -> None:
    """/api/v1/me leads to one's own record, in the service that holds this kind of account."""
    response = client.get(f"/api/v1/me{rest}", headers=bearer(open_session(user_type)))
    assert response.status_code == 200
    assert echo.asked[-1].path == f"/api/v1/{home}/me{rest}"


def test_me_of_nobody(client: FlaskClient, echo: Stub, open_session: Open) -> None:
    """A kind of account without a record has no /api/v1/me (404 no_route)."""
    response = client.get("/api/v1/me", headers=bearer(open_session("customer")))
    assert response.status_code == 404
    assert reason_of(response) == "no_route"


@pytest.mark.parametrize("method", EVERY_METHOD)
@pytest.mark.parametrize("path", ["/api/nowhere", "/api/v1/doctorsx", "/api/", "/api/v2/doctors"])
def test_no_route(client: FlaskClient, echo: Stub, path: str, method: str) -> None:
    """An unknown service is 404 `no_route` for every method, in the standard body."""
    response = client.open(path, method=method)
    body = json.loads(response.data)
    assert response.status_code == 404
    assert set(body) == {"error", "message", "details"}
    assert body["details"]["reason"] == "no_route"
    assert body["details"]["request_id"] == response.headers["X-Request-ID"]
    assert echo.asked == []


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/patients/../admins",
        "/api/v1/patients/%2e%2e/admins",
        "/api/v1/patients/%2E%2E%2Fadmins",
        "/api/v1/patients/..;/admins",
        "/api/v1/patients/%252e%252e/admins",
        "/api/v1/patients%5c..%5cadmins",
        "/api/v1/patients/%00",
    ],
)
def test_paths_without_canonical_form(
    app: Flask, echo: Stub, open_session: Open, path: str
) -> None:
    """A path that two programs could read in two ways is refused and reaches no service."""
    client = app.test_client()
    response = client.get(
        "/api/v1/patients/x",
        headers=bearer(open_session("patient")),
        environ_overrides={"RAW_URI": path, "REQUEST_URI": path},
    )
    assert response.status_code == 400
    assert reason_of(response) == "path_not_allowed"
    assert echo.asked == []


@pytest.mark.parametrize(
    ("raw", "sent"),
    [
        ("/api/v1/patients/a%20b", "/api/v1/patients/a%20b"),
        ("/api/v1/patients/%C3%A9", "/api/v1/patients/%C3%A9"),
        ("/api/v1/patients/%ff", "/api/v1/patients/%FF"),
        ("/api/v1/patients/%3a%41", "/api/v1/patients/%3AA"),
        ("/api/v1//patients", "/api/v1/patients"),
    ],
)
def test_paths_pass_exactly(
    client: FlaskClient, echo: Stub, open_session: Open, raw: str, sent: str
) -> None:
    """What is decided upon is what is sent: one canonical spelling, nothing decoded twice."""
    client.get(
        "/api/v1/patients/x",
        headers=bearer(open_session("doctor")),
        environ_overrides={"RAW_URI": raw, "REQUEST_URI": raw},
    )
    assert echo.asked[-1].environ["RAW_URI"] == sent


@pytest.mark.parametrize("path", ["/api/auth/login", "/api/v1/auth/login"])
def test_auth_is_open(client: FlaskClient, echo: Stub, path: str) -> None:
    """The auth service is reached without a session, and by a service key of one's own."""
    response = client.post(path, json={"a": 1}, headers={"X-Service-Key": "k"})
    assert response.status_code == 200
    assert echo.asked[-1].path == path
    assert echo.asked[-1].headers["X-Service-Key"] == "k"


def test_auth_sees_the_cookie(browse: Browse, echo: Stub) -> None:
    """The auth service reads the session cookie itself."""
    browse("patient").get("/api/v1/auth/validate")
    assert SESSION_COOKIE in echo.asked[-1].headers["Cookie"]


def test_key_set_is_public(client: FlaskClient, echo: Stub) -> None:
    """The public keys are found where clients look for them."""
    assert client.get("/.well-known/jwks.json").status_code == 200
    assert echo.asked[-1].path == "/.well-known/jwks.json"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_cross_site_with_a_cookie(browse: Browse, echo: Stub, method: str) -> None:
    """Another site cannot make a browser change anything with its cookie."""
    response = browse("doctor").open(
        "/api/v1/patients", method=method, headers={"Origin": "https://evil.example"}
    )
    assert response.status_code == 403
    assert reason_of(response) == "cross_site"
    assert echo.asked == []


def test_answers_pass_through(client: FlaskClient, stub: Stub, open_session: Open) -> None:
    """Status, headers and body of the service reach the client; a refusal is the service's own."""
    stub.put("POST /api/v1/patients", {"id": "5"}, 201, Location="/api/v1/patients/5", ETag='"1"')
    response = client.post("/api/v1/patients", json={}, headers=bearer(open_session("doctor")))
    assert response.status_code == 201
    assert response.headers["Location"] == "/api/v1/patients/5"
    assert response.headers["ETag"] == '"1"'
    assert json.loads(response.data) == {"id": "5"}
    stub.refuse("GET /api/v1/patients/9", 404, "not_found", "No such patient.")
    missing = client.get("/api/v1/patients/9", headers=bearer(open_session("doctor")))
    assert missing.status_code == 404
    assert json.loads(missing.data)["message"] == "No such patient."


def test_a_service_without_address(build: Callable[..., Flask], open_session: Open) -> None:
    """A service that is not configured is 503, not a crash."""
    client = build(doctor_service_url=None).test_client()
    response = client.get("/api/v1/doctors", headers=bearer(open_session("doctor")))
    assert response.status_code == 503
    assert reason_of(response) == "upstream_unavailable"


def test_a_service_that_is_away(build: Callable[..., Flask], open_session: Open) -> None:
    """A service that refuses connections is 502 `upstream_refused`."""
    client = build(doctor_service_url="http://127.0.0.1:1", upstream_timeout=0.2).test_client()
    response = client.get("/api/v1/doctors", headers=bearer(open_session("doctor")))
    assert response.status_code == 502
    assert reason_of(response) == "upstream_refused"


@pytest.fixture
def cors_client(build: Callable[..., Flask]) -> FlaskClient:
    """Give a client of a gateway that lists one origin."""
    return build(cors_origins=("https://app.example",)).test_client()


def test_preflight_of_a_listed_origin(cors_client: FlaskClient, echo: Stub) -> None:
    """A listed origin's preflight, which never has a session, is answered here."""
    response = cors_client.options(
        "/api/v1/patients",
        headers={"Origin": "https://app.example", "Access-Control-Request-Method": "POST"},
    )
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert response.headers["Access-Control-Allow-Credentials"] == "true"
    assert echo.asked == []


def test_preflight_of_another_origin(cors_client: FlaskClient, echo: Stub) -> None:
    """Any other origin learns nothing that would let its page go on."""
    response = cors_client.options(
        "/api/v1/patients",
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
    )
    assert response.status_code == 401
    assert "Access-Control-Allow-Origin" not in response.headers


def test_cors_is_said_once(cors_client: FlaskClient, stub: Stub, open_session: Open) -> None:
    """Services that allow origins themselves do not make the answer say it twice."""
    stub.put(
        "GET /api/v1/patients", {}, 200, **{"Access-Control-Allow-Origin": "https://app.example"}
    )
    response = cors_client.get(
        "/api/v1/patients",
        headers=bearer(open_session("doctor")) | {"Origin": "https://app.example"},
    )
    assert response.headers.getlist("Access-Control-Allow-Origin") == ["https://app.example"]
