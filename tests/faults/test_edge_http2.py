"""Clients that speak HTTP/2: bodies whose length nobody announces, cookies in several fields."""

import json
import socket
import ssl
import uuid
from collections.abc import Iterator

import h2.config
import h2.connection
import h2.events
import httpx
import pytest
from edge_people import People, edge_environment
from scripted_services import ScriptedServices, answer
from tls_edge import TlsEdge

LARGEST = 400_000
FILE = """
[gateway]
platform = false
max_body = {largest}

[gateway.tls]
certificate = "127.0.0.1.pem"
key = "127.0.0.1.pem"

[services.shop]
url = "http://127.0.0.1:{port}"

[[routes]]
path = "/kept/*"
service = "shop"
auth = "none"
cache = {{ default = "1m" }}

[[routes]]
path = "/own/*"
service = "shop"

[[routes]]
path = "/*"
service = "shop"
auth = "none"
"""


@pytest.fixture(scope="module")
def gate(
    every_service: ScriptedServices, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TlsEdge]:
    """Run the edge, once."""
    folder = tmp_path_factory.mktemp("http2-edge")
    file = folder / "gateline.toml"
    file.write_text(FILE.format(port=every_service.ports["events"], largest=LARGEST))
    running = TlsEdge(folder, edge_environment(redis_url, GATELINE_CONFIG=str(file)))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def client(gate: TlsEdge) -> Iterator[httpx.Client]:
    """Give a client of that edge."""
    with gate.client() as open_client:
        yield open_client


def pieces(size: int) -> Iterator[bytes]:
    """Yield a body of this size, so that its sender announces no length."""
    for start in range(0, size, 10_000):
        yield b"x" * min(10_000, size - start)


@pytest.mark.parametrize("size", [0, 5, 64 * 1024, 64 * 1024 + 1, 300_000])
@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
def test_a_body_without_a_length_arrives_whole(
    client: httpx.Client, services: ScriptedServices, method: str, size: int
) -> None:
    """In HTTP/2 the frames alone tell whether a body comes (RFC 9113, section 8.1.1)."""
    own = f"/upload/{uuid.uuid4()}"  # a refused one of another test may come in late
    assert client.request(method, own, content=pieces(size)).status_code == 200
    (seen,) = services.seen(own)
    assert (seen.whole, len(seen.body)) == (True, size)
    if size > 64 * 1024:
        assert seen.values(b"transfer-encoding") == [b"chunked"]
    elif size or method != "GET":
        assert seen.values(b"content-length") == [b"%d" % size]


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
def test_a_request_without_a_body_stays_one(
    client: httpx.Client, services: ScriptedServices, method: str
) -> None:
    """A service is told of no body where none came."""
    client.request(method, "/page")
    (seen,) = services.seen("/page")
    assert seen.values(b"content-length") == seen.values(b"transfer-encoding") == []


def test_a_body_without_a_length_has_the_same_bound(
    client: httpx.Client, services: ScriptedServices
) -> None:
    """What turns out too large is refused, and the service never takes it for whole."""
    refused = client.post("/upload", content=pieces(LARGEST + 1))
    assert refused.status_code == 413
    assert refused.json()["details"]["reason"] == "payload_too_large"
    assert not any(seen.whole for seen in services.seen("/upload"))


def test_the_cache_tells_requests_with_a_body_apart(
    client: httpx.Client, services: ScriptedServices
) -> None:
    """A GET without a body is kept; one with a body goes on, with its body, and is not."""
    services.on("/kept/a", answer(200, b"answer"))
    stated = [client.get("/kept/a").headers["cache-status"] for _ in range(2)]
    assert "stored" in stated[0]
    assert "hit" in stated[1]
    asked = client.request("GET", "/kept/a", content=pieces(20_000))
    assert "bypass" in asked.headers["cache-status"]
    assert [len(seen.body) for seen in services.seen("/kept/a")] == [0, 20_000]


def test_cookies_in_several_fields_arrive_as_one(
    client: httpx.Client, services: ScriptedServices, people: People
) -> None:
    """Crumbs are joined with "; " (RFC 9113, section 8.2.3), the session's among them left out."""
    doctor = people.log_in()
    session = f"__Host-gateline_session={doctor.token}"
    headers = [("Cookie", "a=1"), ("Cookie", session), ("Cookie", "b=2")]
    for path in ("/anybody", "/own/page"):
        assert client.get(path, headers=headers).status_code == 200
        (seen,) = services.seen(path)
        assert seen.values(b"cookie") == [b"a=1; b=2"]
    assert services.seen("/own/page")[0].values(b"x-user-id") == [str(doctor.user_id).encode()]


def test_headers_are_counted_and_crumbs_are_not(
    client: httpx.Client, services: ScriptedServices
) -> None:
    """A hundred headers are enough; cookies in many fields are one."""
    many = [(f"X-{number}", "1") for number in range(90)]
    crumbs = [("Cookie", f"c{number}=1") for number in range(50)]
    assert client.get("/page", headers=many + crumbs).status_code == 200
    (seen,) = services.seen("/page")
    assert seen.values(b"cookie") == ["; ".join(value for _, value in crumbs).encode()]
    refused = client.get("/page", headers=[(f"X-{number}", "1") for number in range(101)])
    assert refused.status_code == 431
    assert refused.json()["details"]["reason"] == "headers_too_large"


@pytest.mark.parametrize(
    ("names", "status"),
    [
        ([(":authority", "evil.example"), ("host", "shop.example")], 200),
        ([("host", "shop.example")], 200),
        ([], 400),
        ([("host", "shop.example"), ("host", "evil.example")], 400),
    ],
)
def test_one_host_is_decided_on_and_passed_on(
    gate: TlsEdge, services: ScriptedServices, names: list[tuple[str, str]], status: int
) -> None:
    """Beside a Host field the server drops `:authority`, so nobody acts on another name."""
    assert ask_raw(gate, [*names, (":path", "/named")]) == status
    for seen in services.seen("/named"):
        assert seen.values(b"x-forwarded-host") == [b"shop.example"]
        assert b"evil" not in seen.head
    assert len(services.seen("/named")) == (status == 200)


def ask_raw(gate: TlsEdge, fields: list[tuple[str, str]]) -> int:
    """Send a GET with these fields as they are; return its status."""
    context = ssl.create_default_context(cafile=str(gate.folder / "authority.pem"))
    context.set_alpn_protocols(["h2"])
    settings = h2.config.H2Configuration(validate_outbound_headers=False)
    engine = h2.connection.H2Connection(settings)
    engine.initiate_connection()
    pseudo = [(":method", "GET"), (":scheme", "https")]
    pseudo += [pair for pair in fields if pair[0].startswith(":")]
    plain = [pair for pair in fields if not pair[0].startswith(":")]
    engine.send_headers(1, pseudo + plain, end_stream=True)
    with (
        socket.create_connection(("127.0.0.1", gate.port), 10.0) as bare,
        context.wrap_socket(bare, server_hostname="127.0.0.1") as secure,
    ):
        secure.sendall(engine.data_to_send())
        while data := secure.recv(65536):
            for event in engine.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    return int(dict(event.headers)[b":status"])
    raise AssertionError("no answer")


def test_a_refusal_is_the_standard_one(client: httpx.Client) -> None:
    """Over HTTP/2 too a refusal has the body that says why."""
    body = json.loads(client.get("/own/page").content)
    assert body["details"]["reason"] == "session_missing"
