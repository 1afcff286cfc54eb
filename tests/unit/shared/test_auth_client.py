"""The client for the auth service, against a server that answers as told."""

import contextlib
import json
import logging
import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateline.policy.services import Service
from gateline.shared.auth_client import (
    AuthClient,
    AuthClientError,
    AuthUnavailable,
    LimitReached,
    PayloadRejected,
    ServiceKeyRejected,
    TokenRejected,
    ValidToken,
)
from gateline.shared.config import Settings
from gateline.shared.upstream import Upstream

KEY = "key-of-this-service"
Reply = tuple[int, Any]


class Auth:
    """Stands in for the auth service: answers with `replies` in turn, then with the last one."""

    def __init__(self, raw_server: Callable[..., Any]) -> None:
        self.replies: list[Reply] = [(200, {"status": "success"})]
        self.server = raw_server(self._answer)

    def _answer(self, connection: socket.socket, _: bytes) -> bool:
        status, body = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if status == 0:
            return False
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        extra = b"Retry-After: 60\r\n" if status == 429 else b""
        connection.sendall(
            b"HTTP/1.1 %d X\r\n%bContent-Length: %d\r\n\r\n%b" % (status, extra, len(text), text)
        )
        return True

    def asked(self) -> list[tuple[str, dict[str, Any]]]:
        """Return what was asked: path and payload."""
        found = []
        for request in self.server.requests:
            head, _, body = request.partition(b"\r\n\r\n")
            found.append((head.split(b" ")[1].decode(), json.loads(body)))
        return found


@pytest.fixture
def auth(raw_server: Callable[..., Any]) -> Auth:
    """Give a stand-in for the auth service."""
    return Auth(raw_server)


@pytest.fixture
def client(auth: Auth, clock: Any) -> Iterator[AuthClient]:
    """Give a client that does not really wait."""

    def upstream(service: Service) -> Upstream:
        return Upstream(service, sleep=lambda _: None)

    client = AuthClient(auth.server.url, KEY, clock=clock, upstream=upstream)
    yield client
    client.close()


def valid(clock: Any, user_id: int = 7, seconds: int = 60) -> dict[str, Any]:
    """Return the documented answer to a valid token."""
    now = int(clock())
    return {"user_id": user_id, "exp": now + seconds, "iat": now, "type": "access", "more": 1}


def test_a_valid_token(auth: Auth, client: AuthClient, clock: Any) -> None:
    """The documented request is sent with the key, the documented answer comes back typed."""
    auth.replies = [(200, valid(clock))]

    now = int(clock())
    assert client.validate_token("jwt") == ValidToken(7, now + 60, now, "access")
    assert auth.asked() == [("/api/auth/validate-token", {"token": "jwt"})]
    assert b"X-Service-Key: key-of-this-service\r\n" in auth.server.requests[0]
    assert b"Content-Type: application/json\r\n" in auth.server.requests[0]


def test_valid_tokens_are_remembered_for_five_seconds(
    auth: Auth, client: AuthClient, clock: Any
) -> None:
    """The same token is asked about again only after that time."""
    auth.replies = [(200, valid(clock))]
    client.validate_token("jwt")
    clock.now += 4.9
    client.validate_token("jwt")
    assert len(auth.asked()) == 1

    clock.now += 0.1
    client.validate_token("jwt")
    assert len(auth.asked()) == 2


def test_a_token_is_not_remembered_beyond_its_end(
    auth: Auth, client: AuthClient, clock: Any
) -> None:
    """A token that ends in two seconds is asked about again then."""
    auth.replies = [(200, valid(clock, seconds=2)), (401, {"error": "Invalid token"})]
    client.validate_token("jwt")
    clock.now += 2

    with pytest.raises(TokenRejected):
        client.validate_token("jwt")


def test_refusals_are_not_remembered(auth: Auth, client: AuthClient, clock: Any) -> None:
    """A token that was refused a moment ago may be valid now."""
    auth.replies = [(401, {"error": "Invalid token"}), (200, valid(clock))]
    with pytest.raises(TokenRejected) as refused:
        client.validate_token("jwt")

    assert (refused.value.status, refused.value.error) == (401, "Invalid token")
    assert client.validate_token("jwt").user_id == 7


def test_revoking_forgets_at_once(auth: Auth, client: AuthClient, clock: Any) -> None:
    """Whoever revokes through this client is not answered from its memory, even on failure."""
    replies: list[Reply] = [(200, {"status": "success"}), (400, {"error": "Failed"})]
    for revoked in replies:
        auth.replies = [(200, valid(clock)), revoked, (401, {"error": "Invalid token"})]
        client.validate_token("jwt")
        with contextlib.suppress(PayloadRejected):
            client.revoke_user_sessions(7, "password_changed")
        with pytest.raises(TokenRejected):
            client.validate_token("jwt")

    path, payload = auth.asked()[1]
    assert path == "/api/auth/revoke-user-sessions"
    assert payload["user_id"] == 7
    assert payload["reason"] == "password_changed"
    assert payload["timestamp"].endswith("Z")


def test_many_tokens_at_once(auth: Auth, client: AuthClient, clock: Any) -> None:
    """Known ones are not asked about, the others in batches; order is kept."""
    auth.replies = [(200, valid(clock, 1))]
    client.validate_token("t-0")
    first = [{"valid": number % 2 == 0, **valid(clock, number)} for number in range(1, 101)]
    auth.replies = [(200, {"results": first}), (200, {"results": [{"valid": False}]})]

    found = client.validate_tokens([f"t-{number}" for number in range(102)])

    assert [one.user_id if one else None for one in found[:4]] == [1, None, 2, None]
    assert found[-1] is None
    assert [len(payload.get("tokens", ())) for _, payload in auth.asked()] == [0, 100, 1]


@pytest.mark.parametrize("token", ["", "  ", "x" * 8193, "é", "\ud800"])
def test_what_can_be_no_token_is_not_asked_about(
    auth: Auth, client: AuthClient, clock: Any, token: str
) -> None:
    """It is refused as any wrong token is, alone and among others, which it does not spoil."""
    with pytest.raises(TokenRejected):
        client.validate_token(token)
    assert auth.asked() == []
    auth.replies = [(200, {"results": [{"valid": True, **valid(clock, 1)}]})]

    found = client.validate_tokens([token, "t-1"])

    assert [one.user_id if one else None for one in found] == [None, 1]
    assert [payload["tokens"] for _, payload in auth.asked()] == [["t-1"]]


def test_syncing(auth: Auth, client: AuthClient) -> None:
    """Sessions and accounts are stated as documented."""
    client.sync_session(7, {"session_id": "sid"}, token="jwt")
    client.sync_session(7, {"is_active": False})
    client.sync_user({"id": 7, "email": "a@example.com"})

    (path, payload), (_, without), (user_path, user) = auth.asked()
    assert (path, user_path) == ("/api/auth/sync-session", "/api/auth/sync-user")
    assert payload.pop("timestamp").endswith("Z")
    assert payload == {"user_id": 7, "session_data": {"session_id": "sid"}, "token": "jwt"}
    assert "token" not in without
    assert user == {"id": 7, "email": "a@example.com"}


def test_syncing_many(auth: Auth, client: AuthClient) -> None:
    """Each account's outcome comes back in order."""
    auth.replies = [(200, {"results": [{"status": "success"}, {"status": "error"}]})]

    outcomes = client.sync_users([{"id": 1, "email": "a"}, {"id": 2, "email": "b"}])

    assert [one["status"] for one in outcomes] == ["success", "error"]
    assert auth.asked()[0][0] == "/api/auth/sync-users"


@pytest.mark.parametrize("fault", [(0, {}), (503, {}), (502, b"<html>")])
def test_what_was_lost_is_repeated(auth: Auth, client: AuthClient, fault: Reply) -> None:
    """A lost or passing failure is tried again: these calls state what is."""
    auth.replies = [fault, (200, {"status": "success"})]

    client.sync_user({"id": 7, "email": "a@example.com"})

    assert len(auth.asked()) == 2


@pytest.mark.parametrize(
    ("reply", "kind", "status"),
    [
        ((400, {"message": "No", "details": {"fields": {"id": ["x"]}}}), PayloadRejected, 400),
        ((401, {"error": "Invalid token"}), TokenRejected, 401),
        ((403, {"error": "Invalid service key"}), ServiceKeyRejected, 500),
        ((429, {}), LimitReached, 429),
        ((500, b"crash"), AuthClientError, 502),
        ((503, {}), AuthUnavailable, 503),
        ((0, {}), AuthUnavailable, 503),
        ((200, b"rubbish"), AuthClientError, 502),
        ((200, [1]), AuthClientError, 502),
        ((302, {}), AuthClientError, 502),
    ],
)
def test_failures_have_types(
    auth: Auth, client: AuthClient, reply: Reply, kind: type[AuthClientError], status: int
) -> None:
    """Each failure is its own type; what a view lets pass is answered fittingly."""
    auth.replies = [reply]
    with pytest.raises(kind) as failed:
        client.sync_user({"id": 7})

    assert type(failed.value) is kind
    assert failed.value.status == status
    if status == 400:
        assert failed.value.fields == {"id": ["x"]}
    if status == 429:
        assert failed.value.headers == {"Retry-After": "60"}
    assert KEY not in str(failed.value) + repr(vars(failed.value))


@pytest.mark.parametrize("body", [{}, {"user_id": "7"}, {"user_id": 7, "exp": 1.5}])
def test_an_answer_that_is_not_as_documented(
    auth: Auth, client: AuthClient, body: dict[str, Any]
) -> None:
    """A token is valid only if the answer says so in the documented form."""
    auth.replies = [(200, body)]
    with pytest.raises(AuthClientError):
        client.validate_token("jwt")
    for results in ([], [1], [{"valid": True}]):
        auth.replies = [(200, {"results": results})]
        with pytest.raises(AuthClientError):
            client.validate_tokens(["jwt"])


@pytest.mark.parametrize(
    ("reply", "level", "why"),
    [
        ((400, {"details": {"fields": {"email": ["x"]}}}), "WARNING", "validation_failed email"),
        ((403, {"error": "Invalid service key"}), "ERROR", "internal_error"),
        ((500, b"crash"), "WARNING", "upstream_invalid status=500"),
        ((0, {}), "WARNING", "upstream_unavailable cause=upstream_broken"),
        ((200, [1]), "WARNING", "upstream_invalid"),
    ],
)
def test_failures_are_logged_with_their_context(
    auth: Auth,
    client: AuthClient,
    caplog: pytest.LogCaptureFixture,
    reply: Reply,
    level: str,
    why: str,
) -> None:
    """What was asked, for whom, how long it took and what was wrong; nothing of what was sent."""
    auth.replies = [reply]
    with pytest.raises(AuthClientError):
        client.sync_user({"id": 7, "email": "ada@example.com"})

    (record,) = caplog.records
    assert record.levelname == level
    assert re.fullmatch(rf"sync-user user=7 failed after \d+ ms: {why}", record.getMessage())
    assert KEY not in caplog.text


def test_the_time_of_each_call_can_be_watched(
    auth: Auth, client: AuthClient, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """At level DEBUG; a token that is not valid is no failure that anybody needs to mend."""
    caplog.set_level(logging.DEBUG, "gateline.shared.auth_client")
    auth.replies = [(200, valid(clock)), (401, {"error": "Invalid token"})]
    client.validate_token("jwt-one")
    with pytest.raises(TokenRejected):
        client.validate_token("jwt-two")

    took, failed = (record.getMessage() for record in caplog.records)
    assert re.fullmatch(r"validate-token user=- took \d+ ms", took)
    assert re.fullmatch(r"validate-token user=- failed after \d+ ms: token_invalid", failed)
    assert {record.levelname for record in caplog.records} == {"DEBUG"}
    assert "jwt-" not in caplog.text


def test_building_from_settings(make_settings: Callable[..., Settings]) -> None:
    """Both settings are needed; the message names them."""
    with pytest.raises(ValueError, match="JWT_SERVICE_URL and SERVICE_KEY"):
        AuthClient.from_settings(make_settings())
    settings = make_settings(JWT_SERVICE_URL="http://auth:8003", SERVICE_KEY=KEY)
    assert AuthClient.from_settings(settings)._upstream.service.urls == ("http://auth:8003",)
