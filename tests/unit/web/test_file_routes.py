"""The gateway file's routes in Flask alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.unit.web.conftest import Open, Stub
from werkzeug.wrappers import Request, Response

from gateline.shared.gateway import GatewayFileError
from gateline.web.control_room import service_states

Build = Callable[..., Flask]

FILE = """
[gateway]
allowed_hosts = ["localhost", "old.example"]

[services.shop]
url = "{url}"

[services.local]
url = "unix:///run/shop.sock"

[[routes]]
path = "/api/shop/*"
service = "shop"
roles = ["customer"]
rate_limit = {{ limit = "3/minute", by = "user" }}
strip_prefix = true
request_headers = {{ set = {{ X-Tenant = "north" }}, remove = ["X-Debug"] }}
response_headers = {{ remove = ["X-Powered-By"], add = {{ X-Via = "gate" }} }}

[[routes]]
path = "/api/shop/*"
headers = {{ X-Version = "2" }}
service = "shop"
auth = "none"
rewrite_prefix = "/v2"

[[routes]]
path = "/"
service = "shop"
auth = "none"

[[routes]]
path = "/inside"
service = "shop"
auth = "none"
allow_ips = ["10.0.0.0/8"]

[[routes]]
path = "/keys"
service = "shop"
accept = ["key"]

[[routes]]
path = "/small"
service = "shop"
auth = "none"
max_body = 3

[[routes]]
path = "/local"
service = "local"
auth = "none"

[[routes]]
path = "/old/*"
hosts = ["old.example"]
redirect = "/new/{{path}}"

[[api_keys]]
name = "one"
sha256 = "{digest}"
"""


def _show(asked: Request) -> Response:
    seen = {"path": asked.path, "tenant": asked.headers.get("X-Tenant")}
    seen["debug"] = asked.headers.get("X-Debug")
    return Response(json.dumps(seen), 200, {"X-Powered-By": "shop"}, mimetype="application/json")


@pytest.fixture
def app(build: Build, stub: Stub, tmp_path: Path) -> Flask:
    """Give the web service with a file of its own."""
    path = tmp_path / "gateline.toml"
    path.write_text(FILE.format(url=stub.url, digest="ab" * 32))
    for route in ("GET /", "GET /x", "GET /v2/x", "POST /small", "GET /inside", "OPTIONS /x"):
        stub.answers[route] = _show
    return build(gateline_config=path)


def _reason(response: Any) -> str:
    return str(json.loads(response.data)["details"]["reason"])


def test_a_route_of_the_file_is_forwarded(client: FlaskClient, open_session: Open) -> None:
    """Prefix, headers both ways and the role are as the file says."""
    headers = {"Authorization": f"Bearer {open_session('customer')}", "X-Debug": "1"}
    response = client.get("/api/shop/x", headers=headers)

    assert response.json == {"path": "/x", "tenant": "north", "debug": None}
    assert response.headers["X-Via"] == "gate"
    assert "X-Powered-By" not in response.headers
    assert client.options("/api/shop/x", headers=headers).status_code == 200


def test_sessions_and_roles_are_asked_for(client: FlaskClient, open_session: Open) -> None:
    """Nobody and the wrong kind of account are refused, by the gateway itself."""
    nobody = client.get("/api/shop/x")
    doctor = {"Authorization": f"Bearer {open_session('doctor')}"}

    assert (nobody.status_code, _reason(nobody)) == (401, "session_missing")
    assert nobody.headers["X-Gateline-Error"] == "session_missing"
    assert _reason(client.get("/api/shop/x", headers=doctor)) == "role_missing"
    assert client.get("/keys", headers=doctor).status_code == 403


def test_the_limit_of_the_route_holds(client: FlaskClient, open_session: Open) -> None:
    """The fourth request in a minute is one too many; another route does not feel it."""
    headers = {"Authorization": f"Bearer {open_session('customer', user_id=4711)}"}
    states = [client.get("/api/shop/x", headers=headers).status_code for _ in range(4)]

    assert states == [200, 200, 200, 429]
    assert client.get("/", headers=headers).status_code == 200


def test_the_most_specific_route_answers(client: FlaskClient) -> None:
    """A header that fits makes the difference; the file goes before our own pages."""
    assert client.get("/api/shop/x", headers={"X-Version": "2"}).json == {
        "path": "/v2/x",
        "tenant": None,
        "debug": None,
    }
    assert client.get("/").json == {"path": "/", "tenant": None, "debug": None}
    assert client.get("/login").mimetype == "text/html"


def test_the_door_is_kept(client: FlaskClient) -> None:
    """Addresses, hosts and sizes are refused as the file says."""
    near = {"REMOTE_ADDR": "10.1.2.3"}

    assert _reason(client.get("/inside")) == "address_not_allowed"
    assert client.get("/inside", environ_base=near).status_code == 200
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert client.post("/small", data=b"four").status_code == 413
    assert _reason(client.get("/local")) == "no_route"


def test_a_redirect_is_answered(client: FlaskClient) -> None:
    """The rest of the path and the query are kept; under another host it is no route."""
    response = client.get("/old/a/b?c=1", headers={"Host": "old.example"})

    assert (response.status_code, response.location) == (308, "/new/a/b?c=1")
    assert client.get("/old/a/b").status_code == 404


def test_samples_are_gone(client: FlaskClient, open_session: Open) -> None:
    """With a file of one's own the sample services answer only when asked for."""
    headers = {"Authorization": f"Bearer {open_session('admin')}"}

    assert client.get("/api/v1/doctors", headers=headers).status_code == 404


def test_a_wrong_file_is_refused_at_the_start(build: Build, tmp_path: Path) -> None:
    """A gateway does not start half; behind an edge the file is the edge's business."""
    path = tmp_path / "gateline.toml"
    path.write_text("[[routes]]\npath = 'x'")

    with pytest.raises(GatewayFileError, match=r"gateline\.toml:2: routes\[1\]\.path"):
        build(gateline_config=path)
    build(gateline_config=path, web_service_url="http://web")


def test_the_certificate_of_the_edge_is_no_business_of_ours(build: Build, tmp_path: Path) -> None:
    """Where Flask serves alone, or in a container of its own, its files need not be there."""
    path = tmp_path / "gateline.toml"
    path.write_text(
        "[gateway.tls]\ncertificate = 'edge.pem'\nkey = 'edge.key'\n"
        "[services.shop]\nurl = 'http://127.0.0.1:1'\n"
    )

    with build(gateline_config=path).app_context():
        assert "shop" in {state.name for state in service_states()}


def test_the_control_room_knows_the_services(app: Flask) -> None:
    """Those of the file are shown beside the platform's, but for what only the edge can ask."""
    with app.app_context():
        names = {state.name for state in service_states()}

    assert "shop" in names
    assert "local" not in names
