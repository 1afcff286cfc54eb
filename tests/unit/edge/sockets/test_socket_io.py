"""The dashboard as a Socket.IO namespace, and one's own events, with python-socketio's client."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import socketio
from edge_people import People, edge_environment
from engineio.packet import CLOSE
from running_edge import RunningEdge
from socketio.exceptions import ConnectionError as Refused

from gateline.edge.sockets import socket_io as served
from gateline.edge.sockets.places import Engines
from gateline.shared.telemetry.keys import LIVE

DASHBOARD = "/ws/dashboard"
HANDSHAKE = "/socket.io/?EIO=4&transport=polling"

OWN_EVENTS = """
def register_socketio_events(sio):
    @sio.on("custom_event")
    async def handle_custom_event(sid, data):
        await sio.emit("response_event", {"heard": data}, to=sid)

    @sio.on("whoami", namespace="/ws/dashboard")
    async def whoami(sid):
        return await sio.get_session(sid, namespace="/ws/dashboard")

    @sio.on("connect", namespace="/open")
    async def connect(sid, environ, auth=None):
        return auth == {"word": "sesame"}
"""


class Client:
    """A Socket.IO client that keeps what it heard."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.sio = socketio.AsyncClient(reconnection=False)
        self.heard: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        for namespace in ("/", DASHBOARD, "/open"):
            self.sio.on("*", self._hear, namespace=namespace)
            self.sio.on("disconnect", self._leave, namespace=namespace)

    async def connect(self, *namespaces: str, **options: Any) -> None:
        """Connect to namespaces."""
        wanted = list(namespaces or (DASHBOARD,))
        url = f"http://127.0.0.1:{self.port}"
        await self.sio.connect(url, namespaces=wanted, wait_timeout=5, **options)

    async def next(self, event: str) -> Any:
        """Return what came with the next event of this name."""
        async with asyncio.timeout(10):
            while True:
                name, data = await self.heard.get()
                if name == event:
                    return data
                assert name != "disconnect", data

    def _hear(self, event: str, data: Any = None) -> None:
        self.heard.put_nowait((event, data))

    def _leave(self, reason: str) -> None:
        self.heard.put_nowait(("disconnect", reason))


def with_clients(port: int, use: Callable[..., Awaitable[None]], count: int = 1) -> None:
    """Run a coroutine with clients; they leave at the end."""

    async def run() -> None:
        clients = [Client(port) for _ in range(count)]
        try:
            await use(*clients)
        finally:
            for client in clients:
                await client.sio.disconnect()

    asyncio.run(run())


@pytest.fixture(scope="module")
def own_edge(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run an edge with events of its owner's, which it finds in its working folder."""
    folder: Path = tmp_path_factory.mktemp("own-edge")
    (folder / "shop_events.py").write_text(OWN_EVENTS)
    name = "shop_events:register_socketio_events"
    edge = RunningEdge(folder, edge_environment(redis_url, GATELINE_SOCKETIO_EVENTS=name))
    edge.start()
    yield edge
    edge.stop()


@pytest.mark.parametrize("transports", [None, ["websocket"], ["polling"]])
def test_events_come_by_every_transport(
    edge: RunningEdge, people: People, transports: list[str] | None
) -> None:
    """Whatever the client speaks, it hears hello and then what happens."""
    token = people.log_in("admin").token

    async def use(client: Client) -> None:
        head = {"Authorization": f"Bearer {token}"}
        await client.connect(headers=head, transports=transports)
        hello = await client.next("hello")
        assert hello["version"]
        people.kv.publish(LIVE, '{"type":"log","message":"to all"}')
        assert await client.next("log") == {"type": "log", "message": "to all"}
        assert (await client.next("traffic"))["edge"]

    with_clients(edge.port, use)


def test_a_token_may_come_as_auth(edge: RunningEdge, people: People) -> None:
    """A browser on another origin has no header to set: it gives its token as `auth`."""

    async def use(client: Client) -> None:
        await client.connect(auth={"token": people.log_in("admin").token})
        await client.next("hello")

    with_clients(edge.port, use)


def test_the_cookie_is_enough_for_our_own_pages(edge: RunningEdge, people: People) -> None:
    """A page of ours needs no token; a foreign one gets no further than the handshake."""
    cookie = {"Cookie": f"gateline_session={people.log_in('admin').token}"}

    async def own(client: Client) -> None:
        origin = {"Origin": f"http://127.0.0.1:{edge.port}"}
        await client.connect(headers=cookie | origin)
        await client.next("hello")

    async def foreign(client: Client) -> None:
        with pytest.raises(Refused):
            await client.connect(headers=cookie | {"Origin": "https://evil.example"})

    with_clients(edge.port, own)
    with_clients(edge.port, foreign)
    refused = edge.get(HANDSHAKE, [(b"Origin", b"https://evil.example")])
    assert (refused.status, refused.reason) == (403, "cross_site")
    assert not refused.values(b"access-control-allow-origin")


@pytest.mark.parametrize("auth", [None, {"token": "rubbish"}, {"token": 7}, "word", {"token": "ñ"}])
def test_nobody_comes_in_without_an_administrators_session(
    edge: RunningEdge, people: People, auth: Any
) -> None:
    """Without a session, or with another kind of account's, the namespace stays shut."""
    doctor = {"Authorization": f"Bearer {people.log_in('doctor').token}"}

    async def use(client: Client, other: Client) -> None:
        with pytest.raises(Refused):
            await client.connect(auth=auth)
        with pytest.raises(Refused):
            await other.connect(headers=doctor)

    with_clients(edge.port, use, 2)


def test_a_revoked_session_is_disconnected_within_a_second(
    edge: RunningEdge, people: People
) -> None:
    """The client hears why, and then it is out."""
    person = people.log_in("admin")

    async def use(client: Client) -> None:
        await client.connect(auth={"token": person.token})
        await client.next("hello")
        people.revoke(person)
        started = time.monotonic()
        assert (await client.next("ended"))["reason"].startswith("session_")
        await client.next("disconnect")
        assert time.monotonic() - started < 1.0

    with_clients(edge.port, use)


def test_ones_own_events_are_answered(own_edge: RunningEdge, people: People) -> None:
    """Document 4's custom event works; a namespace of one's own decides about its guests."""
    person = people.log_in("admin")

    async def use(client: Client, stranger: Client, guest: Client) -> None:
        await client.connect("/", DASHBOARD, auth={"token": person.token})
        await client.sio.emit("custom_event", {"a": 1})
        assert await client.next("response_event") == {"heard": {"a": 1}}
        known = await client.sio.call("whoami", namespace=DASHBOARD, timeout=5)
        assert known == {"user_id": person.user_id, "user_type": "admin", "email": person.email}
        with pytest.raises(Refused):
            await stranger.connect("/")
        await guest.connect("/open", auth={"word": "sesame"})

    with_clients(own_edge.port, use, 3)


def test_unknown_namespaces_and_rubbish_lead_nowhere(edge: RunningEdge, people: People) -> None:
    """A namespace that nobody serves, old protocols and made-up sessions are refused quietly."""

    async def use(client: Client) -> None:
        with pytest.raises(Refused):
            await client.connect("/", auth={"token": people.log_in("admin").token})

    before = len(edge.output)
    with_clients(edge.port, use)
    for query in ("EIO=3&transport=polling", "EIO=4&transport=carrier-pigeon"):
        answer = edge.get(f"/socket.io/?{query}")
        assert (answer.status, answer.reason) == (400, "bad_request")
    unknown = edge.get("/socket.io/?EIO=4&transport=polling&sid=made-up%0aup")
    assert (unknown.status, unknown.reason) == (400, "bad_request")
    assert b"made-up" not in unknown.body
    rubbish = edge.ask("POST", "/socket.io/?EIO=4&transport=polling", body=b"2probe")
    assert (rubbish.status, rubbish.reason) == (400, "bad_request")
    deleted = edge.ask("DELETE", HANDSHAKE)
    assert (deleted.status, deleted.reason) == (405, "method_not_allowed")
    assert "Traceback" not in edge.output[before:]


def test_malformed_packets_break_nothing(edge: RunningEdge) -> None:
    """What a stranger posts into a session of theirs fails no one, and logs no traceback."""
    before = len(edge.output)
    opened = edge.get(HANDSHAKE)
    sid = json.loads(opened.body[1:])["sid"]
    for body in (b"4", b"49", b"4{", b"40/ws/dashboard,[", b"\xff", b"45-9999999[]", b"x" * 70_000):
        answer = edge.ask("POST", f"{HANDSHAKE}&sid={sid}", body=body)
        assert answer.status in {200, 400, 413}
    assert "Traceback" not in edge.output[before:]
    assert edge.get("/livez").status == 200


def test_waiting_is_not_counted_as_slowness(edge: RunningEdge, people: People) -> None:
    """A long poll that waits for an event took no time of ours: its line says so."""

    async def use(client: Client) -> None:
        head = {"Authorization": f"Bearer {people.log_in('admin').token}"}
        await client.connect(headers=head, transports=["polling"])
        await client.next("traffic")
        await client.next("traffic")

    before = len(edge.output)
    with_clients(edge.port, use)
    lines = [line for line in edge.output[before:].splitlines() if "route=socket-io" in line]
    took = [float(line.split("ms ")[0].rpartition(" ")[2]) for line in lines]
    assert len(took) > 3
    assert sorted(took)[len(took) // 2] < 100


def test_clients_without_a_namespace_are_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who connects and never says to what loses the place."""
    monkeypatch.setattr(served, "_NAMELESS_SECONDS", 0.0)
    monkeypatch.setattr(served, "_SWEEP_SECONDS", 0.01)

    async def run() -> None:
        fan_out: Any = None
        server = served.SocketIo(fan_out, fan_out, fan_out, transports=["polling"])
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:
            sent.append(message)

        scope: Any = {
            "type": "http",
            "method": "GET",
            "path": "/socket.io/",
            "query_string": b"EIO=4&transport=polling",
            "headers": [],
            served.CLIENT: "192.0.2.1",
        }
        await server.handle(scope, receive, send)
        assert sent[0]["status"] == 200
        assert server.engines("192.0.2.1") == Engines(1, 1, 1, 1)
        assert server.engines("192.0.2.2") == Engines(1, 1, 0, 0)
        sweeping = asyncio.ensure_future(server.run())
        (client,) = server.server.eio.sockets.values()
        async with asyncio.timeout(5):
            while (packet := await client.queue.get()).packet_type != CLOSE:
                assert packet is not None
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)
        await server.close()

    asyncio.run(run())


def test_several_workers_offer_websocket_only(
    redis_url: str, people: People, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With two workers a poll could reach the wrong one, so polling is refused, always."""

    class TwoWorkers(RunningEdge):
        def command(self) -> tuple[str, ...]:
            return (*super().command(), "--workers", "2")

    edge = TwoWorkers(tmp_path_factory.mktemp("two-workers"), edge_environment(redis_url))
    edge.start()

    async def use(client: Client) -> None:
        await client.connect(auth={"token": people.log_in("admin").token}, transports=["websocket"])
        await client.next("hello")

    try:
        assert {edge.get(HANDSHAKE).status for _ in range(10)} == {400}
        for _ in range(4):
            with_clients(edge.port, use)
    finally:
        edge.stop()
