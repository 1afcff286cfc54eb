"""Requests with API keys and tokens of another issuer, through a real edge."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from edge_people import People, edge_environment
from outside_tokens import CORP, claims, key_set, sign
from running_edge import RunningEdge
from scripted_services import ScriptedServices, answer

from gateline.edge.credentials import CredentialKeeper

_KEY = b"glk_the-key-of-the-warehouse-and-nobody-else"
_TILL = b"glk_the-key-of-the-till-and-nobody-else-here"
_CLERK = b"glk_the-key-of-the-clerk-and-nobody-else-here"
_FILE = """\
[gateway]
platform = false

[services.shop]
url = "http://127.0.0.1:{port}"

[issuers.corp]
issuer = "https://login.example.com/"
jwks_url = "http://127.0.0.1:{port}/jwks"
audience = "shop"
cooldown = "2s"

[issuers.away]
issuer = "https://away.example.com/"
jwks_url = "http://127.0.0.1:1/jwks"
audience = "shop"

[[api_keys]]
name = "warehouse"
sha256 = "{warehouse}"
user_type = "partner"

[[api_keys]]
name = "till"
sha256 = "{till}"
rate_limit = "2/hour"

[[api_keys]]
name = "clerk"
sha256 = "{clerk}"
rate_limit = "50/hour"

[[routes]]
path = "/keys/*"
service = "shop"
accept = ["key"]

[[routes]]
path = "/limited/*"
service = "shop"
accept = ["key"]
rate_limit = "100/minute"

[[routes]]
path = "/partners/*"
service = "shop"
accept = ["key", "corp"]
roles = ["partner"]

[[routes]]
path = "/tokens/*"
service = "shop"
accept = ["corp", "away"]

[[routes]]
path = "/any/*"
service = "shop"
accept = ["session", "key", "corp"]

[[routes]]
path = "/open/*"
service = "shop"
auth = "optional"
accept = ["session", "key", "corp"]

[[routes]]
path = "/sessions/*"
service = "shop"
"""


@pytest.fixture(scope="module")
def front(
    every_service: ScriptedServices, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningEdge]:
    """Run an edge that knows three programs and two issuers."""
    folder = tmp_path_factory.mktemp("credentials")
    path = folder / "gateline.toml"
    path.write_text(
        _FILE.format(
            port=every_service.ports["api"],
            warehouse=hashlib.sha256(_KEY).hexdigest(),
            till=hashlib.sha256(_TILL).hexdigest(),
            clerk=hashlib.sha256(_CLERK).hexdigest(),
        ),
        encoding="utf-8",
    )
    running = RunningEdge(folder, edge_environment(redis_url, GATELINE_CONFIG=str(path)))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def shop(services: ScriptedServices) -> ScriptedServices:
    """Publish the issuer's keys."""
    services.on("/jwks", answer(body=key_set("ec")))
    return services


def test_a_key_opens_what_accepts_keys(front: RunningEdge, shop: ScriptedServices) -> None:
    """The service is told the consumer, and neither the key nor what the client says of itself."""
    answered = front.get(
        "/keys/a", [(b"X-API-Key", _KEY), (b"X-Consumer", b"root"), (b"X-User-ID", b"1")]
    )
    seen = shop.seen("/keys/a")[0]

    assert answered.status == 200
    assert seen.values(b"x-consumer") == [b"warehouse"]
    assert seen.values(b"x-user-type") == [b"partner"]
    assert seen.values(b"x-user-id") == []
    assert seen.values(b"x-api-key") == []


@pytest.mark.parametrize(
    ("path", "headers", "reason"),
    [
        ("/keys/a", [], "session_missing"),
        ("/keys/a", [(b"X-API-Key", b"wrong")], "api_key_invalid"),
        ("/open/a", [(b"X-API-Key", b"wrong")], "api_key_invalid"),
        ("/keys/a", [(b"X-API-Key", _KEY), (b"X-API-Key", _KEY)], "bad_request"),
        ("/partners/a", [(b"X-API-Key", _CLERK)], "role_missing"),
        ("/sessions/a", [(b"X-API-Key", _KEY)], "session_missing"),
        ("/tokens/a", [(b"X-API-Key", _KEY)], "session_missing"),
    ],
)
def test_what_a_key_does_not_open(
    front: RunningEdge,
    shop: ScriptedServices,
    path: str,
    headers: list[tuple[bytes, bytes]],
    reason: str,
) -> None:
    """A wrong key, two of them, another role, and routes that accept none."""
    assert front.get(path, headers).reason == reason


def test_a_key_has_a_limit_of_its_own(front: RunningEdge, shop: ScriptedServices) -> None:
    """On all routes together, and for that key alone."""
    paths = ("/keys/a", "/any/a", "/keys/b")
    statuses = [front.get(path, [(b"X-API-Key", _TILL)]).status for path in paths]

    assert statuses == [200, 200, 429]
    assert front.get("/keys/c", [(b"X-API-Key", _KEY)]).status == 200


def test_a_key_and_its_route_are_limited_both(front: RunningEdge, shop: ScriptedServices) -> None:
    """The client is told of each limit, and by custom of the one with the least left."""
    answered = front.get("/limited/a", [(b"X-API-Key", _CLERK)])

    assert answered.values(b"ratelimit-policy") == [b'"client";q=100;w=60', b'"key";q=50;w=3600']
    assert len(answered.values(b"ratelimit")) == 2
    assert answered.values(b"x-ratelimit-limit") == [b"50"]


def test_a_token_of_the_issuer_opens_what_accepts_it(
    front: RunningEdge, shop: ScriptedServices
) -> None:
    """Its keys are fetched once for all; the service learns whom the issuer means."""
    statuses = [front.get("/tokens/a", token=sign(claims(jti=str(n)))).status for n in range(5)]
    seen = shop.seen("/tokens/a")[0]

    assert statuses == [200] * 5
    assert len(shop.seen("/jwks")) <= 1
    assert seen.values(b"x-user-id") == [b"00u1a"]
    assert seen.values(b"x-user-type") == [b"customer"]
    assert seen.values(b"x-user-issuer") == [b"corp"]


@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        ("/tokens/a", {"exp": 1}, "token_expired"),
        ("/tokens/a", {"aud": "other"}, "token_invalid"),
        ("/tokens/a", {"iss": "https://other.example.com/"}, "token_invalid"),
        ("/tokens/a", {"iss": "https://away.example.com/"}, "issuer_unavailable"),
        ("/partners/a", {}, "role_missing"),
        ("/open/a", {"exp": 1}, "token_expired"),
        ("/sessions/a", {}, "token_invalid"),
    ],
)
def test_what_a_token_does_not_open(
    front: RunningEdge, shop: ScriptedServices, path: str, content: dict[str, Any], reason: str
) -> None:
    """An old one, one for others, one of others, another role, and routes that want sessions."""
    assert front.get(path, token=sign(claims(**content))).reason == reason


def test_sessions_still_open_what_accepts_them(
    front: RunningEdge, shop: ScriptedServices, people: People
) -> None:
    """Whoever accepts several takes each of them."""
    person = people.log_in()

    assert front.get("/any/a", token=person.token).status == 200
    assert front.get("/any/a", token=sign(claims())).status == 200
    assert front.get("/any/a", [(b"X-API-Key", _KEY)]).status == 200
    assert front.get("/open/a").status == 200
    assert front.get("/tokens/a", token=person.token).reason == "token_invalid"


def test_a_new_key_of_the_issuer_is_found(front: RunningEdge, shop: ScriptedServices) -> None:
    """After the cool-down the first token that names it brings it."""
    front.get("/tokens/a", token=sign(claims()))
    time.sleep(2.1)
    shop.on("/jwks", answer(body=key_set("ec", "rsa")))

    assert front.get("/tokens/a", token=sign(claims(), "rsa")).status == 200


def test_a_new_version_keeps_what_did_not_change() -> None:
    """Reading the file anew fetches no keys again, unless the issuer is told otherwise."""

    async def fetch(_: str) -> bytes:
        return key_set()

    def plan(*issuers: Any) -> Any:
        return SimpleNamespace(api_keys=(), issuers=issuers, routes=())

    keeper = CredentialKeeper(fetch, lambda _: None)
    first = keeper.for_plan(plan(CORP))
    second = keeper.for_plan(plan(CORP))
    other = keeper.for_plan(plan(replace(CORP, cooldown=60.0)))
    keeper.settled(SimpleNamespace(plan=plan()))  # type: ignore[arg-type] # all that it looks at
    fresh = keeper.for_plan(plan(CORP))

    assert first is not None
    assert second is not None
    assert other is not None
    assert fresh is not None
    assert first._issuers[0] is second._issuers[0]
    assert other._issuers[0] is not first._issuers[0]
    assert fresh._issuers[0] is not first._issuers[0]
    assert keeper.for_plan(plan()) is None


def test_a_route_refuses_keys_when_the_last_one_is_gone(
    shop: ScriptedServices, redis_url: str, tmp_path: Path
) -> None:
    """An ended key is refused, and goes to no service as if nobody had asked for it."""
    file = tmp_path / "gateline.toml"
    file.write_text(
        "[gateway]\nplatform = false\n\n"
        f'[services.shop]\nurl = "http://127.0.0.1:{shop.ports["events"]}"\n\n'
        '[[routes]]\npath = "/open/*"\nservice = "shop"\nauth = "optional"\n'
        'accept = ["session", "key"]\n'
    )
    edge = RunningEdge(tmp_path, edge_environment(redis_url, GATELINE_CONFIG=str(file)))
    edge.start()
    try:
        refused = edge.get("/open/a", [(b"X-API-Key", _CLERK)])
        anybody = edge.get("/open/a")
    finally:
        edge.stop()
    assert (refused.status, anybody.status) == (401, 200)
    assert b"api_key_invalid" in refused.body
    assert len(shop.seen("/open/a")) == 1
