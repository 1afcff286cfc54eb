"""A browser's cookie near its end is replaced on use, by asking auth once."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from edge_people import SERVICE_KEY, People, Person
from running_edge import Answer, RunningEdge
from scripted_services import ScriptedServices, Visit, answer, cut

from gateline.edge.cookie_renewal import CookieRenewer
from gateline.edge.exchange import Exchange
from gateline.edge.upstream import Client, Target
from gateline.policy.identity import Identity

LIST = "/api/v1/doctors/"
RENEW = "/api/auth/sessions/renew"
NEXT = answer(200, json.dumps({"access_token": "next.jwt", "expires_in": 1800}).encode())
COOKIE = b"gateline_session=next.jwt; HttpOnly; Max-Age=1800; Path=/; SameSite=Lax"


@pytest.fixture
def browser(people: People) -> Person:
    """Give somebody whose token has five minutes left of thirty."""
    return people.log_in(lifetime=300)


def asked_for(services: ScriptedServices) -> list[str]:
    """Return the tokens that auth was asked to renew, in order."""
    return [json.loads(asked.body)["token"] for asked in services.seen(RENEW)]


def attributes(got: Answer) -> list[set[bytes]]:
    """Return each Set-Cookie of an answer as the set of its parts, but for the date."""
    cookies = [value.split(b"; ") for value in got.values(b"set-cookie")]
    return [{part for part in parts if not part.startswith(b"Expires=")} for parts in cookies]


def test_a_cookie_near_its_end_is_replaced(
    edge: RunningEdge, services: ScriptedServices, browser: Person
) -> None:
    """The answer brings the cookie that follows; auth was asked with our key and that token."""
    services.on(RENEW, NEXT)
    got = edge.get(LIST, [browser.cookie])
    assert got.status == 200
    assert attributes(got) == [set(COOKIE.split(b"; "))]
    (asked,) = services.seen(RENEW)
    assert (asked.service, asked.method) == ("auth", "POST")
    assert asked.values(b"x-service-key") == [SERVICE_KEY.encode()]
    assert json.loads(asked.body) == {"token": browser.token}


def test_concurrent_requests_ask_once(
    edge: RunningEdge, services: ScriptedServices, browser: Person
) -> None:
    """All requests that are under way with one cookie get the same new one."""

    async def when_all_are_here(visit: Visit) -> None:
        await visit.read_body()
        while len(services.seen(LIST)) < 8:  # noqa: ASYNC110 # told by another task of this loop
            await asyncio.sleep(0.005)
        await visit.send(NEXT)

    services.on(RENEW, when_all_are_here)
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: edge.get(LIST, [browser.cookie]), range(8)))
    assert [attributes(one) for one in got] == [[set(COOKIE.split(b"; "))]] * 8
    assert len(services.seen(RENEW)) == 1
    assert edge.get(LIST, [browser.cookie]).values(b"set-cookie") == []
    assert len(services.seen(RENEW)) == 1, "asked again within ten seconds"


def test_nobody_else_is_renewed(
    edge: RunningEdge, services: ScriptedServices, people: People, browser: Person
) -> None:
    """A bearer renews itself; a cookie that is far from its end needs nothing."""
    services.on(RENEW, NEXT)
    assert edge.get(LIST, [browser.bearer]).values(b"set-cookie") == []
    assert edge.get(LIST, [people.log_in().cookie]).values(b"set-cookie") == []
    assert services.seen(RENEW) == []


async def silence(visit: Visit) -> None:
    """Take the whole request and never say a word."""
    await visit.read_body()
    await visit.until_gone()


@pytest.mark.parametrize(
    "behaviour",
    [
        answer(401, b'{"error":"gone"}'),
        answer(200, b"rubbish"),
        answer(200, b"[]"),
        answer(200, b'{"access_token":"x"}'),
        cut(),
        silence,
    ],
)
def test_no_new_cookie_is_no_failure(
    edge: RunningEdge, services: ScriptedServices, browser: Person, behaviour: Any
) -> None:
    """When auth refuses, breaks or hangs, the answer comes without a cookie, soon."""
    services.on(RENEW, behaviour)
    got = edge.get(LIST, [browser.cookie])
    assert (got.status, got.values(b"set-cookie")) == (200, [])
    assert asked_for(services) == [browser.token]


@pytest.mark.parametrize(
    "given", [b"gateline_session=of-a-new-login; Path=/", b"gateline_session=; Max-Age=0"]
)
def test_a_login_or_logout_is_not_overridden(
    edge: RunningEdge, services: ScriptedServices, browser: Person, given: bytes
) -> None:
    """A service that sets the session cookie itself has the last word."""
    services.on(RENEW, NEXT)
    services.on("/api/web/auth/logout", answer(200, b"", [(b"Set-Cookie", given)]))
    got = edge.ask("POST", "/api/web/auth/logout", [browser.cookie], b"")
    assert got.values(b"set-cookie") == [given]
    # Nobody waited for the renewal: it must not be taken for one of the next test.
    services.wait(lambda: any(asked.whole for asked in services.seen(RENEW)))


def exchange_of(token: str | None, expires_at: int, scheme: str = "https") -> Exchange:
    """Return an exchange that a cookie has identified."""
    scope: dict[str, Any] = {
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "scheme": scheme,
        "client": None,
        "headers": [],
    }
    exchange = Exchange(scope, cast("Any", None), cast("Any", None), 0.0)
    exchange.identity = Identity(1, "doctor", "a@b.c", "s", "A", 0, expires_at, 9999, "cookie")
    exchange.cookie_token = token
    return exchange


def test_the_same_token_is_asked_for_again_only_after_a_pause() -> None:
    """Ten seconds lie between two questions about one token, whatever came of the first."""
    now = [1000.0]

    async def scenario() -> None:
        client = Client()
        nowhere = client.pool(Target.parse("http://127.0.0.1:1"))
        renewer = CookieRenewer(client, nowhere, "key", within_seconds=60, clock=lambda: now[0])
        first = renewer.begin(exchange_of("t", 1050))
        assert first is not None
        assert await first == []
        assert renewer.begin(exchange_of("t", 1050)) is None
        assert renewer.begin(exchange_of("far", 1061)) is None
        assert renewer.begin(exchange_of(None, 1050)) is None
        now[0] = 1010.0
        again = renewer.begin(exchange_of("t", 1050))
        assert again is not None
        await again
        await client.aclose()

    asyncio.run(scenario())


def test_the_pauses_take_bounded_memory() -> None:
    """Pauses that are over are forgotten when many have gathered."""
    now = [0.0]
    renewer = CookieRenewer(
        cast("Client", None), cast("Any", None), "key", within_seconds=60, clock=lambda: now[0]
    )
    for number in range(5000):
        now[0] = number
        renewer._pause(str(number))
    assert len(renewer._not_before) <= 1001
