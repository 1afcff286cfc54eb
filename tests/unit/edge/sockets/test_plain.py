"""The dashboard as a plain WebSocket: what is told, and how it ends."""

import json
import signal
import time

import pytest
from edge_people import People, edge_environment
from live_clients import Listener
from running_edge import RunningEdge
from scripted_services import ScriptedServices

from gateline.edge.sockets.plain import close_code
from gateline.local.engines import wait_until
from gateline.policy.reasons import ROLE_MISSING, SESSION_REVOKED, SESSION_STORE_UNAVAILABLE
from gateline.shared.sessions import session_key
from gateline.shared.telemetry.keys import LIVE


def listen(edge: RunningEdge, token: str) -> Listener:
    """Open the dashboard with a bearer token; return when it has said hello."""
    listener = Listener(edge.port, Authorization=f"Bearer {token}")
    listener.next("hello")
    return listener


def test_close_codes_stand_for_statuses() -> None:
    """What a request would get as 401, 403 and 503, a socket gets as a code."""
    reasons = (SESSION_REVOKED, ROLE_MISSING, SESSION_STORE_UNAVAILABLE)
    assert [close_code(reason) for reason in reasons] == [4401, 4403, 1013]


def test_traffic_and_requests_are_told(
    edge: RunningEdge, people: People, services: ScriptedServices
) -> None:
    """Within a second or two those who watch hear of a request and of its second."""
    with listen(edge, people.log_in("admin").token) as listener:
        edge.get("/api/users/me", [(b"X-Request-ID", b"watched-request")])
        told = listener.next("request", lambda one: one["request_id"] == "watched-request")
        assert (told["status"], told["reason"]) == (401, "session_missing")
    with listen(edge, people.log_in("admin").token) as listener:
        edge.get("/pages/one")
        traffic = listener.next("traffic", lambda one: one["requests"] > 0)
        assert traffic["p99_ms"] >= traffic["p50_ms"] > 0
        assert sum(one["requests"] for one in traffic["by_service"].values()) == traffic["requests"]


def test_probes_are_no_traffic(edge: RunningEdge, people: People) -> None:
    """What orchestrators ask every second is not what people do."""
    with listen(edge, people.log_in("admin").token) as listener:
        # Other edges of this run speak on the same channel, and seconds of earlier tests may still
        # be under way: it is quiet when many in a row told of nothing.
        quiet = 0
        while quiet < 8:
            quiet = quiet + 1 if listener.next("traffic")["requests"] == 0 else 0
        for _ in range(5):
            assert edge.get("/livez").status == 200
        assert [listener.next("traffic")["requests"] for _ in range(8)] == [0] * 8


def test_hello_tells_the_last_minute(
    edge: RunningEdge, people: People, services: ScriptedServices
) -> None:
    """Who comes later sees the traffic of the minute before, and how long silence may last."""
    edge.get("/pages/before")
    with listen(edge, people.log_in("admin").token) as first:
        first.next("traffic")
        first.next("traffic")
    with Listener(edge.port, Authorization=f"Bearer {people.log_in('admin').token}") as listener:
        hello = listener.next("hello")
    assert hello["traffic"]
    assert all(event["type"] == "traffic" for event in hello["traffic"])
    assert 0 < hello["ping_seconds"] < hello["idle_seconds"]


def test_events_of_other_processes_come_through(edge: RunningEdge, people: People) -> None:
    """What anybody tells on the channel reaches everybody; what is no event does not."""
    with listen(edge, people.log_in("admin").token) as listener:
        for text in ("no json", "[1]", '{"no":"type"}', '{"type":7}', '{"type":"log","n":1}'):
            people.kv.publish(LIVE, text)
        assert listener.next("log", lambda one: "n" in one) == {"type": "log", "n": 1}


def test_a_revoked_session_loses_its_sockets_within_a_second(
    edge: RunningEdge, people: People
) -> None:
    """The socket of a session that ends is closed with 4401; others stay."""
    gone, other = people.log_in("admin"), people.log_in("admin")
    with listen(edge, gone.token) as listener, listen(edge, other.token) as bystander:
        people.revoke(gone)
        code, reason, seconds = listener.until_closed()
        assert (code, seconds < 1.0) == (4401, True)
        assert reason in {"session_revoked", "session_expired"}
        bystander.next("traffic")


def test_a_token_that_expires_ends_its_socket(edge: RunningEdge, people: People) -> None:
    """The socket does not outlive its token."""
    with listen(edge, people.log_in("admin", lifetime=2).token) as listener:
        code, _, seconds = listener.until_closed()
        assert (code, seconds < 3.5) == (4401, True)


def test_watching_is_no_use_of_a_session(edge: RunningEdge, people: People) -> None:
    """A forgotten tab does not keep its session alive."""
    person = people.log_in("admin")
    with listen(edge, person.token) as listener:
        people.forget_use(person, 500)
        listener.next("traffic")
        listener.next("traffic")
        listener.next("traffic")
        assert people.kv.exists(session_key(person.token))


def test_a_slow_client_is_told_what_it_missed(edge: RunningEdge, people: People) -> None:
    """Whoever does not read loses the oldest events, learns how many, and delays nobody."""
    text = json.dumps({"type": "log", "filling": "x" * 30_000})
    slow, quick = people.log_in("admin"), people.log_in("admin")
    with listen(edge, slow.token) as sleeper, listen(edge, quick.token) as awake:
        for number in range(2_000):
            people.kv.publish(LIVE, text)
            if number % 100 == 0:
                awake.next("log")
        people.kv.publish(LIVE, '{"type":"log","last":true}')
        dropped = sleeper.next("dropped")
        assert dropped["count"] > 0
        assert sleeper.next("log", lambda one: "last" in one)


def test_a_message_beyond_reason_ends_the_socket(edge: RunningEdge, people: People) -> None:
    """Clients have little to say: more than 64 KiB at once, or too often, is refused."""
    with listen(edge, people.log_in("admin").token) as listener:
        listener.socket.send("x" * 100_000)
        assert listener.until_closed()[:2] == (1009, "payload_too_large")
    with listen(edge, people.log_in("admin").token) as listener:
        for _ in range(200):
            listener.socket.send('{"type":"pong"}')
        assert listener.until_closed()[:2] == (1008, "too_many_messages")


def test_clients_that_vanish_leave_nothing_behind(edge: RunningEdge, people: People) -> None:
    """A hundred clients that come and go, some without a word, cost no place."""
    head = {"Authorization": f"Bearer {people.log_in('admin').token}"}
    for number in range(100):
        listener = Listener(edge.port, **head)
        if number % 2:
            listener.vanish()
        else:
            listener.close()
    assert "Traceback" not in edge.output
    with listen(edge, people.log_in("admin").token) as listener:
        listener.next("traffic")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGUSR2])
def test_a_restart_is_announced(
    redis_url: str,
    people: People,
    tmp_path_factory: pytest.TempPathFactory,
    signum: signal.Signals,
) -> None:
    """A client hears 1012 (service restart) before its worker ends, and can come back."""
    edge = RunningEdge(tmp_path_factory.mktemp("ending-edge"), edge_environment(redis_url))
    edge.start()
    try:
        with listen(edge, people.log_in("admin").token) as listener:
            assert edge.process is not None
            edge.process.send_signal(signum)
            assert listener.until_closed()[:2] == (1012, "restart")
        if signum == signal.SIGTERM:
            started = time.monotonic()
            edge.process.wait(10)
            assert time.monotonic() - started < 3
        else:
            head = {"Authorization": f"Bearer {people.log_in('admin').token}"}
            assert wait_until(lambda: _comes_in(edge.port, head), seconds=10)
    finally:
        edge.stop()


def _comes_in(port: int, head: dict[str, str]) -> bool:
    try:
        with Listener(port, **head) as listener:
            return bool(listener.next("hello"))
    except Exception:  # noqa: BLE001 # not yet
        return False
