"""Who may open a socket at the edge, from where, and how many."""

import pytest
from edge_people import People, edge_environment
from live_clients import DASHBOARD, Listener, refusal
from running_edge import RunningEdge

from gateline.edge.sockets.entrance import socket_routes
from gateline.local.engines import wait_until


def bearer(token: str) -> dict[str, str]:
    """Return the header that a program sends."""
    return {"Authorization": f"Bearer {token}"}


def test_every_route_states_who_may(people: People) -> None:
    """Only administrators come to the dashboard; other paths under /ws lead nowhere."""
    live, socket_io, unknown = socket_routes()
    assert live.auth == "session"
    assert live.roles == {"admin"}
    assert socket_io.auth == "optional"
    assert unknown.destination_for(None) is None


def test_nobody_comes_in_without_a_session(edge: RunningEdge, people: People) -> None:
    """A handshake without a session, or with one that is over, is refused as a request is."""
    assert refusal(edge.port) == (401, "session_missing")
    assert refusal(edge.port, **bearer("rubbish")) == (401, "token_invalid")
    gone = people.log_in("admin")
    people.revoke(gone)
    assert refusal(edge.port, **bearer(gone.token))[0] == 401


@pytest.mark.parametrize("user_type", ["doctor", "patient", "institution", "customer"])
def test_only_administrators_come_in(edge: RunningEdge, people: People, user_type: str) -> None:
    """Every other kind of account is refused."""
    person = people.log_in(user_type)
    assert refusal(edge.port, **bearer(person.token)) == (403, "role_missing")


def test_there_is_one_dashboard(edge: RunningEdge, people: People) -> None:
    """Other paths are no sockets, whoever asks."""
    token = people.log_in("admin").token
    assert refusal(edge.port, "/ws/other", **bearer(token)) == (404, "no_route")
    assert refusal(edge.port, "/ws/%2e%2e/ws/dashboard", **bearer(token))[1] == "path_not_allowed"


def test_a_plain_request_is_told_to_upgrade(edge: RunningEdge, people: People) -> None:
    """A browser that opens the address in a tab learns what it is."""
    answer = edge.get(DASHBOARD, token=people.log_in("admin").token)
    assert (answer.status, answer.reason) == (426, "upgrade_required")
    assert answer.values(b"upgrade") == [b"websocket"]


def test_foreign_pages_cannot_use_the_cookie(edge: RunningEdge, people: People) -> None:
    """Cross-site WebSocket hijacking: a cookie counts from our own pages only."""
    cookie = {"Cookie": f"gateline_session={people.log_in('admin').token}"}
    foreign = refusal(edge.port, Origin="https://evil.example", **cookie)
    assert foreign == (403, "cross_site")
    site = {"Sec_Fetch_Site": "same-site", "Origin": f"http://127.0.0.1:{edge.port}"}
    assert refusal(edge.port, **site, **cookie) == (403, "cross_site")
    with Listener(edge.port, Origin=f"http://127.0.0.1:{edge.port}", **cookie) as listener:
        assert listener.next("hello")["version"]


def test_listed_origins_may_use_the_cookie(strict_edge: RunningEdge, people: People) -> None:
    """An origin in CORS_ORIGINS is as good as our own; a second Host is refused as everywhere."""
    cookie = {"Cookie": f"gateline_session={people.log_in('admin').token}"}
    with Listener(strict_edge.port, Origin="https://app.example.org", **cookie) as listener:
        listener.next("hello")
    assert refusal(strict_edge.port, Host="evil.example", **cookie) == (400, "bad_request")


def test_a_bearer_token_needs_no_origin(edge: RunningEdge, people: People) -> None:
    """Nobody's browser sends a bearer token by itself, so its origin says nothing."""
    token = people.log_in("admin").token
    with Listener(edge.port, Origin="https://elsewhere.example", **bearer(token)) as listener:
        listener.next("hello")


def test_handshakes_stand_in_the_access_log(edge: RunningEdge, people: People) -> None:
    """A socket that was opened and one that was refused have their lines."""
    with Listener(edge.port, **bearer(people.log_in("admin").token), X_Request_ID="opened-one"):
        edge.wait_for_line("request_id=opened-one", " 101 ", "route=live")
    refusal(edge.port, X_Request_ID="refused-one")
    edge.wait_for_line("request_id=refused-one", " 401 ", "reason=session_missing")


def test_open_sockets_are_bounded(
    redis_url: str, people: People, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """GATELINE_MAX_SOCKETS is a limit, whoever comes; a place that is left can be taken."""
    environment = edge_environment(redis_url, GATELINE_MAX_SOCKETS="3")
    edge = RunningEdge(tmp_path_factory.mktemp("small-edge"), environment)
    edge.start()
    head = bearer(people.log_in("admin").token)
    try:
        listeners = [Listener(edge.port, **head) for _ in range(3)]
        for listener in listeners:
            listener.next("hello")
        assert refusal(edge.port, **head) == (503, "overloaded")
        assert edge.get("/socket.io/?EIO=4&transport=polling").status == 503
        listeners.pop().close()
        assert wait_until(lambda: _lets_in(edge.port, head), seconds=5)
        for listener in listeners:
            listener.close()
    finally:
        edge.stop()


def test_who_joins_nothing_takes_no_place_from_others(
    redis_url: str, people: People, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Anonymous Socket.IO handshakes cannot shut the gate for WebSockets, however many come."""
    environment = edge_environment(redis_url, GATELINE_MAX_SOCKETS="3")
    edge = RunningEdge(tmp_path_factory.mktemp("besieged-edge"), environment)
    edge.start()
    head = bearer(people.log_in("admin").token)
    try:
        answers = [edge.get("/socket.io/?EIO=4&transport=polling") for _ in range(60)]
        assert [one.status for one in answers] == [200] * 50 + [429] * 10
        assert answers[-1].reason == "too_many_sockets"
        with Listener(edge.port, **head) as listener:
            listener.next("hello")
    finally:
        edge.stop()


def test_one_client_does_not_take_every_place(
    redis_url: str, people: People, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """GATELINE_MAX_SOCKETS_PER_CLIENT bounds each address."""
    environment = edge_environment(
        redis_url, GATELINE_MAX_SOCKETS_PER_CLIENT="2", EDGE_TRUSTED_PROXIES="127.0.0.1"
    )
    edge = RunningEdge(tmp_path_factory.mktemp("shared-edge"), environment)
    edge.start()
    head = bearer(people.log_in("admin").token)
    here = {**head, "X-Forwarded-For": "192.0.2.1"}
    try:
        with Listener(edge.port, **here) as one, Listener(edge.port, **here) as other:
            one.next("hello")
            other.next("hello")
            assert refusal(edge.port, **here) == (429, "too_many_sockets")
            with Listener(edge.port, **head, X_Forwarded_For="192.0.2.2") as elsewhere:
                elsewhere.next("hello")
        assert wait_until(lambda: _lets_in(edge.port, here), seconds=5)
    finally:
        edge.stop()


def _lets_in(port: int, head: dict[str, str]) -> bool:
    try:
        with Listener(port, **head):
            return True
    except Exception:  # noqa: BLE001 # refused, however
        return False
