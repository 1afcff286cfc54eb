"""The decorators that know who is asking."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import redis
from flask import Flask, g, jsonify
from flask.testing import FlaskClient

from gateline.shared.middleware.auth import (
    is_authenticated,
    optional_session,
    require_auth,
    require_session,
)
from gateline.shared.sessions import session_key

Login = Callable[..., str]


def add_views(app: Flask) -> Flask:
    """Add one view for every way to decorate."""

    @app.route("/bare", methods=["GET", "POST"])
    @require_session
    def bare() -> Any:
        return jsonify(g.current_user)

    @app.get("/called")
    @require_session()
    def called() -> Any:
        return jsonify(g.current_user)

    @app.get("/any")
    @require_auth
    def any_type() -> Any:
        return jsonify(g.current_user)

    @app.get("/any-called")
    @require_auth()
    def any_type_called() -> Any:
        return jsonify(g.current_user)

    @app.get("/doctors")
    @require_auth(required_user_type="doctor")
    def doctors() -> Any:
        return jsonify(g.current_user)

    @app.get("/staff")
    @require_auth(["doctor", "admin"])
    def staff() -> Any:
        return jsonify(g.current_user)

    @app.route("/public", methods=["GET", "POST"])
    @optional_session
    def public() -> Any:
        return jsonify(user=g.current_user, authenticated=is_authenticated())

    @app.get("/public-called")
    @optional_session()
    def public_called() -> Any:
        return jsonify(user=g.current_user, authenticated=is_authenticated())

    @app.get("/plain")
    def plain() -> Any:
        return jsonify(authenticated=is_authenticated())

    return app


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    """Give an app with a view for every decorator."""
    return add_views(make_app(CORS_ORIGINS="https://app.example"))


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Give a client that keeps no cookies of its own."""
    return app.test_client(use_cookies=False)


def bearer(token: str) -> dict[str, str]:
    """Return the header of a bearer token."""
    return {"Authorization": f"Bearer {token}"}


def cookie(token: str) -> dict[str, str]:
    """Return the header of a session cookie."""
    return {"Cookie": f"gateline_session={token}"}


def reason(answer: Any) -> str:
    """Return the stable reason of a refusal."""
    return str(answer.json["details"]["reason"])


@pytest.mark.parametrize("path", ["/bare", "/called", "/any", "/any-called"])
@pytest.mark.parametrize("header", [bearer, cookie])
def test_a_session_gets_in(
    app: Flask, client: FlaskClient, login: Login, path: str, header: Callable[[str], Any]
) -> None:
    """A bearer token and a cookie both do, with and without parentheses at the decorator."""
    answer = client.get(path, headers=header(login(app)))

    assert answer.status_code == 200
    assert answer.json == {
        "user_id": 7,
        "id": "7",
        "email": "patient@example.com",
        "user_type": "patient",
        "name": "Ada Example",
        "session_id": "sid-7",
    }


@pytest.mark.parametrize("path", ["/bare", "/called", "/any", "/doctors"])
def test_nobody_is_asked_to_log_in(client: FlaskClient, path: str) -> None:
    """Without credentials: 401, with the challenge that RFC 9110 asks for."""
    answer = client.get(path)

    assert answer.status_code == 401
    assert reason(answer) == "session_missing"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "value", ["Bearer", "Bearer ", "Bearer x", "bearer a.b.c", "Bearer " + "A" * 9000]
)
def test_a_wrong_token_is_refused(client: FlaskClient, value: str) -> None:
    """Rubbish is refused as a token, however long."""
    answer = client.get("/bare", headers={"Authorization": value})

    assert answer.status_code == 401
    assert reason(answer) == "token_invalid"


def test_a_wrong_token_does_not_reach_the_store(
    client: FlaskClient, kv: redis.Redis, app: Flask
) -> None:
    """What has no good signature costs no look into Valkey."""
    client.get("/plain")
    kv.config_resetstat()
    client.get("/bare", headers=bearer("a.b.c"))

    assert not {"cmdstat_get", "cmdstat_zscore"} & set(kv.info("commandstats"))


def test_a_scheme_of_another_kind_is_no_token(
    app: Flask, client: FlaskClient, login: Login
) -> None:
    """Basic credentials, which a proxy in front may ask for, leave the cookie in its right."""
    headers = {"Authorization": "Basic dTpw", **cookie(login(app))}

    assert client.get("/bare", headers=headers).status_code == 200


def test_the_bearer_token_goes_before_the_cookie(
    app: Flask, client: FlaskClient, login: Login
) -> None:
    """Whoever sends a token means it: a wrong one is not made good by a cookie."""
    good = login(app)

    answer = client.get("/bare", headers={**bearer("a.b.c"), **cookie(good)})

    assert reason(answer) == "token_invalid"


def test_a_revoked_session_is_refused(app: Flask, client: FlaskClient, login: Login) -> None:
    """The very next request after the revocation is refused, and told why."""
    token = login(app)
    assert client.get("/bare", headers=bearer(token)).status_code == 200

    app.extensions["gateline"].sessions.drop_user(7)

    answer = client.get("/bare", headers=bearer(token))
    assert (answer.status_code, reason(answer)) == (401, "session_revoked")


def test_an_idle_session_is_refused(
    app: Flask, client: FlaskClient, login: Login, kv: redis.Redis
) -> None:
    """A session that fell out by idleness is told apart from a revoked one."""
    token = login(app)
    kv.expire(session_key(token), 0)

    assert reason(client.get("/bare", headers=bearer(token))) == "session_expired"


def test_an_expired_token_is_refused(
    app: Flask, client: FlaskClient, login: Login, clock: Any
) -> None:
    """The token's own end counts, even while its entry is still there."""
    token = login(app)
    clock.now += 1800

    assert reason(client.get("/bare", headers=bearer(token))) == "token_expired"


def test_an_entry_of_somebody_else_lets_nobody_in(
    app: Flask, client: FlaskClient, login: Login, kv: redis.Redis
) -> None:
    """A record that does not fit the token's user or session is refused."""
    token = login(app)
    record = json.loads(kv.get(session_key(token)) or "")

    for change in ({"user_id": 8}, {"session_id": "sid-8"}):
        kv.set(session_key(token), json.dumps({**record, **change}), keepttl=True)
        assert reason(client.get("/bare", headers=bearer(token))) == "session_invalid"


def test_a_type_is_required(app: Flask, client: FlaskClient, login: Login) -> None:
    """The right type gets in, another is refused with 403."""
    doctor = bearer(login(app, "doctor", 1, "sid-1"))
    admin = bearer(login(app, "admin", 2, "sid-2"))
    patient = bearer(login(app, "patient", 3, "sid-3"))

    assert client.get("/doctors", headers=doctor).status_code == 200
    assert client.get("/staff", headers=doctor).status_code == 200
    assert client.get("/staff", headers=admin).status_code == 200
    assert client.get("/doctors", headers=admin).status_code == 403
    answer = client.get("/staff", headers=patient)
    assert (answer.status_code, reason(answer)) == (403, "role_missing")
    assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize("path", ["/public", "/public-called"])
def test_an_optional_session(app: Flask, client: FlaskClient, login: Login, path: str) -> None:
    """Everybody gets in; who has a session is known, a dead one counts as none."""
    token = login(app)

    known = client.get(path, headers=bearer(token)).json
    unknown = client.get(path).json
    app.extensions["gateline"].sessions.drop(token)
    dead = client.get(path, headers=bearer(token)).json

    assert known is not None
    assert known["authenticated"] is True
    assert known["user"]["user_id"] == 7
    assert unknown == dead == {"user": None, "authenticated": False}


def test_an_undecorated_view_knows_nobody(app: Flask, client: FlaskClient, login: Login) -> None:
    """Whoever does not ask for a session gets none, so no origin check is forgotten."""
    answer = client.get("/plain", headers=bearer(login(app)))

    assert answer.json == {"authenticated": False}


@pytest.mark.parametrize(
    "sent",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    ],
)
@pytest.mark.parametrize("path", ["/bare", "/public"])
def test_another_site_cannot_use_the_cookie(
    app: Flask, client: FlaskClient, login: Login, path: str, sent: dict[str, str]
) -> None:
    """An unsafe request with a cookie from another site is refused; reading is not."""
    headers = {**cookie(login(app)), **sent}

    answer = client.post(path, headers=headers)

    assert (answer.status_code, reason(answer)) == (403, "cross_site")
    assert client.get(path, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://localhost"},
        {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"},
        {},
    ],
)
def test_our_own_pages_and_listed_origins_may(
    app: Flask, client: FlaskClient, login: Login, sent: dict[str, str]
) -> None:
    """Our own origin, a listed one, and what no browser sent pass."""
    assert client.post("/bare", headers={**cookie(login(app)), **sent}).status_code == 200


def test_a_bearer_token_needs_no_origin(app: Flask, client: FlaskClient, login: Login) -> None:
    """No browser sends a bearer token on its own, so any origin may."""
    headers = {**bearer(login(app)), "Sec-Fetch-Site": "cross-site"}

    assert client.post("/bare", headers=headers).status_code == 200


def test_under_tls_only_the_bound_cookie_counts(
    app: Flask, client: FlaskClient, login: Login
) -> None:
    """A cookie without the `__Host-` prefix is not seen on a TLS connection."""
    token = login(app)
    tls = {"base_url": "https://localhost"}

    bound = client.get("/bare", headers={"Cookie": f"__Host-gateline_session={token}"}, **tls)

    assert bound.status_code == 200
    assert reason(client.get("/bare", headers=cookie(token), **tls)) == "session_missing"


def test_use_renews_the_session(
    app: Flask, client: FlaskClient, login: Login, kv: redis.Redis
) -> None:
    """Every use gives the whole idle time again."""
    token = login(app)
    kv.expire(session_key(token), 60)

    client.get("/bare", headers=bearer(token))

    assert int(kv.ttl(session_key(token))) > 800


def test_one_request_asks_the_store_once(
    app: Flask, client: FlaskClient, login: Login, kv: redis.Redis
) -> None:
    """The rate limit and the view's decorator share one answer."""
    token = login(app)
    client.get("/bare", headers=bearer(token))
    kv.config_resetstat()
    client.get("/bare", headers=bearer(token))

    assert kv.info("commandstats")["cmdstat_get"]["calls"] == 1


@pytest.mark.parametrize("path", ["/bare", "/public"])
def test_without_the_store_nobody_is_guessed(
    make_app: Callable[..., Flask], login: Login, valkey_relay: Any, path: str
) -> None:
    """While Valkey is away a token is neither believed nor refused: 503, and recovery by itself."""
    app = add_views(make_app(REDIS_URL=f"redis://127.0.0.1:{valkey_relay.port}/0"))
    client = app.test_client(use_cookies=False)
    headers = bearer(login(app))
    assert client.get(path, headers=headers).status_code == 200

    valkey_relay.cut()
    answer = client.get(path, headers=headers)
    valkey_relay.restore()

    assert (answer.status_code, reason(answer)) == (503, "session_store_unavailable")
    assert client.get(path, headers=headers).status_code == 200
