"""WebSockets through the edge to a service."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from edge_people import People, edge_environment
from live_clients import PATIENCE, Listener, refusal
from running_edge import RunningEdge
from socket_service import FLOOD_BYTES, SocketService
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from gateline.local.engines import wait_until

GATEWAY_FILE = """
[gateway]
max_body = "200kB"
max_header_count = 30
cors_origins = ["https://app.example"]

[services.live]
url = "http://127.0.0.1:{port}"

[services.gone]
url = "http://127.0.0.1:1"
retries = false

[services.two]
urls = ["http://127.0.0.1:1", "http://127.0.0.1:{port}"]
ejection = false

[services.broken]
url = "http://127.0.0.1:1"
retries = false
breaker = {{ least_requests = 2, open = "1m" }}

[[routes]]
path = "/open/*"
service = "live"
strip_prefix = true
auth = "none"

[[routes]]
path = "/mine/*"
service = "live"
roles = ["customer"]

[[routes]]
path = "/maybe/*"
service = "live"
auth = "optional"

[[routes]]
path = "/partners/*"
service = "live"
roles = ["customer"]
strip_prefix = true
cors = {{ origins = ["https://partner.example"] }}

[[routes]]
path = "/plain/*"
service = "live"
auth = "none"
websocket = false

[[routes]]
path = "/gone/*"
service = "gone"
auth = "none"

[[routes]]
path = "/two/*"
service = "two"
auth = "none"

[[routes]]
path = "/broken/*"
service = "broken"
auth = "none"
"""


@pytest.fixture(scope="module")
def service() -> Iterator[SocketService]:
    """Run the service, once."""
    running = SocketService()
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def gate(
    service: SocketService, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningEdge]:
    """Run an edge with routes to it, once."""
    folder = tmp_path_factory.mktemp("socket-edge")
    file = folder / "gateline.toml"
    file.write_text(GATEWAY_FILE.format(port=service.port))
    running = RunningEdge(folder, edge_environment(redis_url, GATELINE_CONFIG=str(file)))
    running.start()
    yield running
    running.stop()


def test_the_origins_of_a_route_are_those_of_its_sockets(gate: RunningEdge, people: People) -> None:
    """With a cookie the pages may open sockets that may send requests, and no others."""
    _, session = people.log_in("customer").cookie
    cookie = {"Cookie": session.decode()}
    with open_socket(gate, "/partners/echo", Origin="https://partner.example", **cookie) as socket:
        socket.send("hello")
        assert socket.recv(timeout=PATIENCE) == "hello"
    elsewhere = {"Origin": "https://app.example", **cookie}
    assert refusal(gate.port, "/partners/echo", **elsewhere) == (403, "cross_site")
    partner = {"Origin": "https://partner.example", **cookie}
    assert refusal(gate.port, "/mine/echo", **partner) == (403, "cross_site")


def test_a_handshake_has_no_body_and_no_more_headers_than_others(gate: RunningEdge) -> None:
    """What announces a body is no handshake; many headers are too many here too."""
    head = [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
    head += [(b"Sec-WebSocket-Version", b"13"), (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ==")]
    refused = gate.ask("POST", "/open/echo", head, b"body")
    assert (refused.status, refused.reason) == (400, "bad_request")
    many = [(b"X-%d" % number, b"1") for number in range(30)]
    assert gate.get("/open/echo", [*head, *many]).reason == "headers_too_large"


def open_socket(edge: RunningEdge, path: str, *protocols: str, **headers: str) -> ClientConnection:
    """Open a socket as a client does; close it with `with`."""
    return connect(
        f"ws://127.0.0.1:{edge.port}{path}",
        additional_headers={name.replace("_", "-"): value for name, value in headers.items()},
        subprotocols=[Subprotocol(one) for one in protocols] or None,
        open_timeout=PATIENCE,
        close_timeout=2,
        compression=None,
        max_size=None,
    )


def test_messages_go_both_ways_as_they_are(gate: RunningEdge) -> None:
    """Text stays text and bytes stay bytes, empty and large ones, in order."""
    said: list[str | bytes] = ["", "ñ€", b"", b"\x00\xff", "x" * 150_000, b"y" * 150_000, "last"]
    with open_socket(gate, "/open/echo") as socket:
        for message in said:
            socket.send(message)
        assert [socket.recv(timeout=PATIENCE) for _ in said] == said


def test_a_message_in_pieces_arrives_whole(gate: RunningEdge) -> None:
    """Fragments of a message are one message."""
    with open_socket(gate, "/open/echo") as socket:
        socket.send(["one ", "two ", "three"])
        assert socket.recv(timeout=PATIENCE) == "one two three"


def test_the_service_chooses_among_offered_subprotocols(gate: RunningEdge) -> None:
    """The client learns what the service chose; nothing offered, nothing chosen."""
    with open_socket(gate, "/open/echo", "chat.v1", "chat.v2") as socket:
        assert socket.subprotocol == "chat.v2"
    with open_socket(gate, "/open/echo", "other") as socket:
        assert socket.subprotocol is None


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1008, 1011, 1013, 3000, 4001, 4999])
def test_close_codes_of_the_service_reach_the_client(gate: RunningEdge, code: int) -> None:
    """With their reasons."""
    with Listener(gate.port, f"/open/{code}") as listener:
        assert listener.until_closed()[:2] == (code, "because")


@pytest.mark.parametrize("code", [1000, 1001, 3999, 4321])
def test_close_codes_of_the_client_reach_the_service(
    gate: RunningEdge, service: SocketService, code: int
) -> None:
    """So it can tell a closed tab from a finished game."""
    with open_socket(gate, f"/open/echo?{code}") as socket:
        socket.close(code)
    target = f"/echo?{code}"
    assert wait_until(lambda: target in service.left_with, seconds=PATIENCE)
    assert service.left_with[target] == code


def test_a_client_that_vanishes_is_gone_for_the_service(
    gate: RunningEdge, service: SocketService
) -> None:
    """Without a word from the client its service hears of it at once."""
    with Listener(gate.port, "/open/echo?vanishing") as listener:
        listener.vanish()
    assert wait_until(lambda: "/echo?vanishing" in service.left_with, seconds=PATIENCE)


def test_a_service_that_breaks_off_is_a_bad_gateway(gate: RunningEdge) -> None:
    """The client hears 1014 (bad gateway), not silence."""
    with Listener(gate.port, "/open/drop") as listener:
        listener.socket.send("now")
        assert listener.until_closed()[:2] == (1014, "upstream_broken")


def test_a_message_beyond_the_body_limit_ends_the_socket(gate: RunningEdge) -> None:
    """What a request may not carry in its body, a message may not either."""
    with Listener(gate.port, "/open/echo") as listener:
        listener.socket.send("x" * 250_000)
        assert listener.until_closed()[:2] == (1009, "payload_too_large")


def test_the_refusal_of_the_service_is_the_answer(gate: RunningEdge) -> None:
    """Status, headers and body go to the client as they came."""
    with pytest.raises(InvalidStatus) as caught, open_socket(gate, "/open/refuse"):
        pass
    response = caught.value.response
    assert (response.status_code, response.headers["x-why"]) == (403, "because")
    assert bytes(response.body or b"") == b'{"details":{"reason":"not_you"}}'


def test_a_handshake_is_judged_as_a_request(gate: RunningEdge, people: People) -> None:
    """Session, role, origin of the cookie, the route's own word, an upstream that is away."""
    customer, doctor = people.log_in("customer"), people.log_in("doctor")
    assert refusal(gate.port, "/mine/echo") == (401, "session_missing")
    bearer = {"Authorization": f"Bearer {doctor.token}"}
    assert refusal(gate.port, "/mine/echo", **bearer) == (403, "role_missing")
    cookie = {"Cookie": f"gateline_session={customer.token}"}
    foreign = {"Origin": "https://evil.example"}
    assert refusal(gate.port, "/mine/echo", **cookie, **foreign) == (403, "cross_site")
    assert refusal(gate.port, "/plain/echo") == (403, "socket_not_allowed")
    assert refusal(gate.port, "/gone/echo") == (502, "upstream_refused")
    assert refusal(gate.port, "/nobody/echo") == (404, "no_route")


def test_a_target_that_takes_no_connection_is_passed_over(gate: RunningEdge) -> None:
    """The socket opens at another one; nothing had been said yet."""
    for _ in range(6):
        with open_socket(gate, "/two/echo") as socket:
            socket.send("hello")
            assert socket.recv(timeout=PATIENCE) == "hello"


def test_a_service_that_fails_is_left_alone(gate: RunningEdge) -> None:
    """Its breaker opens for sockets as for requests."""
    assert refusal(gate.port, "/broken/echo") == (502, "upstream_refused")
    assert refusal(gate.port, "/broken/echo") == (502, "upstream_refused")
    assert refusal(gate.port, "/broken/echo") == (503, "upstream_unavailable")
    assert gate.get("/broken/echo").reason == "upstream_unavailable"


def test_the_service_is_told_who_comes(gate: RunningEdge, people: People) -> None:
    """Identity and forwarding headers as for a request; the client's own are not believed."""
    person = people.log_in("customer")
    headers = {
        "Cookie": f"gateline_session={person.token}; theme=dark",
        "Origin": f"http://127.0.0.1:{gate.port}",
        "X_User_Id": "1",
        "X_Request_Id": "opened-by-a-test",
    }
    with open_socket(gate, "/mine/headers?room=7", "chat.v1", **headers) as socket:
        path, pairs = json.loads(socket.recv(timeout=PATIENCE))
    told = dict(pairs)
    assert path == "/mine/headers?room=7"
    assert told["x-user-id"] == str(person.user_id)
    assert (told["x-user-type"], told["x-user-email"]) == ("customer", person.email)
    assert told["x-request-id"] == "opened-by-a-test"
    assert told["x-forwarded-host"] == f"127.0.0.1:{gate.port}"
    assert told["cookie"] == "theme=dark"
    assert told["sec-websocket-protocol"] == "chat.v1"
    assert "sec-websocket-extensions" not in told
    names = [name for name, _ in pairs]
    assert names.count("sec-websocket-key") == names.count("upgrade") == 1
    gate.wait_for_line("request_id=opened-by-a-test", " 101 ")


def test_a_session_that_ends_takes_its_sockets_along(gate: RunningEdge, people: People) -> None:
    """Both where it is needed and where it was only welcome."""
    for path in ("/mine/echo", "/maybe/echo"):
        person = people.log_in("customer")
        with Listener(gate.port, path, Authorization=f"Bearer {person.token}") as listener:
            listener.socket.send("hello")
            assert listener.socket.recv(timeout=PATIENCE) == "hello"
            people.revoke(person)
            code, reason, seconds = listener.until_closed()
            assert (code, seconds < 3.5) == (1008, True)
            assert reason.startswith("session_")
    with open_socket(gate, "/maybe/echo") as nobody:
        nobody.send("anonymous")
        assert nobody.recv(timeout=PATIENCE) == "anonymous"


def test_speaking_is_a_use_of_a_session(gate: RunningEdge, people: People) -> None:
    """The handshake at least renews it, as a request does."""
    person = people.log_in("customer")
    people.forget_use(person, 300)
    with open_socket(gate, "/mine/echo", Authorization=f"Bearer {person.token}"):
        assert wait_until(lambda: people.life(person) > 300, seconds=5)


def test_a_client_that_reads_nothing_stops_the_service(
    gate: RunningEdge, service: SocketService
) -> None:
    """Back-pressure: what nobody takes stays with its sender, not in the edge's memory."""
    service.flooded = 0
    before = gate.worker_memory()
    with Listener(gate.port, "/open/flood") as listener:
        listener.socket.socket.setsockopt(6, 10, 1)  # TCP_WINDOW_CLAMP: take little
        settled = -1
        while settled != service.flooded:
            settled = service.flooded
            time.sleep(0.5)
        assert gate.worker_memory() - before < 32 * 2**20
        listener.socket.recv(timeout=PATIENCE)
        listener.vanish()


def send_for_ever(socket: ClientConnection) -> None:
    """Send 128 MB, which nobody can keep."""
    for _ in range(2_000):
        socket.send(os.urandom(64 * 1024))


def test_a_service_that_reads_nothing_stops_the_client(
    gate: RunningEdge, service: SocketService
) -> None:
    """Back-pressure the other way: a client cannot fill the edge's memory.

    Nor can its service when the client leaves then, of which nobody can hear.
    """
    service.flooded = 0
    before = gate.worker_memory()
    with open_socket(gate, "/open/flood") as socket:
        socket.socket.settimeout(1.0)
        with pytest.raises(ConnectionClosed):  # its own end: nothing could be written for a second
            send_for_ever(socket)
    time.sleep(1.0)
    assert gate.worker_memory() - before < 48 * 2**20
    assert service.flooded < 64 * 2**20 / FLOOD_BYTES


def test_the_edge_has_no_complaint(gate: RunningEdge, tmp_path: Path) -> None:
    """Nothing of the above is an error of the edge."""
    assert "Traceback" not in gate.output
