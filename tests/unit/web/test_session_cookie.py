"""The session cookie over time."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.unit.web.conftest import SERVICE_KEY, Open, Stub

from gateline.shared.app import Parts
from gateline.shared.cookies import SESSION_COOKIE
from gateline.web.session_cookie import PAUSE_SECONDS, Renewals

Browse = Callable[..., FlaskClient]


@pytest.fixture
def renewing(clinic: Stub, open_session: Open) -> Stub:
    """Let the stand-in renew sessions as the auth service would."""
    clinic.put("POST /api/auth/sessions/renew", {"access_token": open_session(life=1801)})
    return clinic


def renewals(stub: Stub) -> list[str]:
    """Return the tokens whose renewal was asked for."""
    asked = [one for one in stub.asked if one.path == "/api/auth/sessions/renew"]
    assert all(one.headers["X-Service-Key"] == SERVICE_KEY for one in asked)
    return [json.loads(one.get_data())["token"] for one in asked]


def age(app: Flask) -> None:
    """Let the app's clock be a thousand seconds on."""
    here: Parts = app.extensions["gateline"]
    later = here.clock() + 1000
    app.extensions["gateline"] = replace(here, clock=lambda: later)


def cookie_of(client: FlaskClient) -> str:
    """Return the browser's token."""
    cookie = client.get_cookie(SESSION_COOKIE)
    assert cookie is not None
    return cookie.value


def test_a_fresh_session_is_left_alone(browse: Browse, renewing: Stub) -> None:
    """A token with a long life ahead is not renewed."""
    browse("patient").get("/patient/dashboard")
    assert renewals(renewing) == []


def test_near_its_end_a_session_is_renewed(browse: Browse, renewing: Stub, app: Flask) -> None:
    """A token past half its life is exchanged on use, and the browser gets the new one."""
    client = browse("patient")
    old = cookie_of(client)
    age(app)
    client.get("/patient/dashboard")
    assert renewals(renewing) == [old]
    assert cookie_of(client) != old


def test_a_bearer_is_never_renewed(
    client: FlaskClient, renewing: Stub, open_session: Open, app: Flask
) -> None:
    """Behind the edge, where sessions come as bearer tokens, nothing is renewed here."""
    token = open_session("patient")
    age(app)
    response = client.get("/patient/dashboard", headers={"Authorization": f"Bearer {token}"})
    assert renewals(renewing) == []
    assert "Set-Cookie" not in response.headers


def test_a_failed_renewal_spoils_nothing(browse: Browse, clinic: Stub, app: Flask) -> None:
    """While auth is away the page is answered all the same, with the old cookie."""
    client = browse("patient")
    old = cookie_of(client)
    age(app)
    clinic.refuse("POST /api/auth/sessions/renew", 500, "internal_error")
    assert client.get("/patient/dashboard").status_code == 200
    assert client.get("/patient/dashboard").status_code == 200
    assert cookie_of(client) == old
    assert len(renewals(clinic)) == 1


def test_a_token_is_claimed_once_in_a_while() -> None:
    """The same token is not asked for again before the pause is over; others are."""
    claims = Renewals()
    assert claims.claim("a", 100.0)
    assert not claims.claim("a", 100.0 + PAUSE_SECONDS - 1)
    assert claims.claim("b", 101.0)
    assert claims.claim("a", 100.0 + PAUSE_SECONDS)


def test_claims_are_bounded() -> None:
    """However many tokens come along, only the latest are remembered."""
    claims = Renewals()
    for number in range(1001):
        assert claims.claim(str(number), 100.0)
    assert claims.claim("0", 100.0)
    assert not claims.claim("1000", 100.0)
