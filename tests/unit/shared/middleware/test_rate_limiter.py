"""Rate limits: one behaviour in Valkey and in memory, and what Flask adds."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis
from flask import Flask, jsonify
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from gateline.policy.limits import Limit
from gateline.shared.middleware.auth import require_session
from gateline.shared.middleware.rate_limiter import (
    MemoryStorage,
    RateLimiter,
    Storage,
    ValkeyStorage,
    exempt,
    limit,
    service_key,
)
from gateline.shared.service_keys import require_service_key

FIVE = Limit(5, 60)


@pytest.fixture(params=["valkey", "memory"])
def storage(request: pytest.FixtureRequest, kv: redis.Redis, clock: Any) -> Storage:
    """Give each place where a log can be kept, in turn."""
    if request.param == "valkey":
        return ValkeyStorage(kv, clock=clock)
    return MemoryStorage(clock)


def test_exactly_as_many_as_the_limit_says(storage: Storage) -> None:
    """The fifth request of five is admitted, the sixth is not."""
    verdicts = [storage.hit("a", FIVE) for _ in range(6)]

    assert [one.allowed for one in verdicts] == [True] * 5 + [False]
    assert [one.remaining for one in verdicts] == [4, 3, 2, 1, 0, 0]
    assert {one.limit for one in verdicts} == {5}


def test_keys_do_not_share(storage: Storage) -> None:
    """What one spends is not missing to another."""
    for _ in range(6):
        storage.hit("a", FIVE)

    assert storage.hit("b", FIVE).remaining == 4


def test_looking_counts_nothing(storage: Storage, clock: Any) -> None:
    """It tells what a request would be told, in the same place, however often one looks."""
    assert [storage.look("a", FIVE).remaining for _ in range(9)] == [4] * 9
    for _ in range(5):
        storage.hit("a", FIVE)
    assert not storage.look("a", FIVE).allowed
    clock.now += 60
    assert storage.look("a", FIVE).allowed


def test_looking_goes_on_without_valkey(kv: redis.Redis, clock: Any, flaky: "Flaky") -> None:
    """What was counted in memory is seen there."""
    limiter = RateLimiter(kv, clock=clock, storage=flaky)
    flaky.away = True
    for _ in range(5):
        limiter.hit("a", FIVE)

    assert not limiter.look("a", FIVE).allowed
    assert limiter.look("b", FIVE).allowed


@pytest.mark.parametrize("by", ["default", "wrong key"])
def test_a_network_shares_a_limit(make_app: Callable[..., Flask], by: str) -> None:
    """Who has one address of IPv6 has 2**64 of them: the next one spends the same limit."""
    app = make_app(RATE_LIMIT_DEFAULT="2/minute")
    app.add_url_rule("/default", "default", lambda: "ok")
    guessed = limit("2/minute", key=service_key)(require_service_key(lambda: "ok"))
    app.add_url_rule("/wrong key", "guessed", guessed)

    def ask(address: str) -> int:
        environ = {"REMOTE_ADDR": address}
        wrong = {"X-Service-Key": "wrong"}
        return app.test_client().get(f"/{by}", environ_base=environ, headers=wrong).status_code

    statuses = [ask(f"2001:db8:1:2::{last}") for last in range(1, 4)]
    assert statuses[-1] == 429
    assert 429 not in statuses[:-1]
    assert ask("2001:db8:1:3::1") != 429


def test_the_window_slides(storage: Storage, clock: Any) -> None:
    """Each admitted request is free again exactly one window after it."""
    for _ in range(5):
        storage.hit("a", FIVE)
        clock.now += 10

    refused = storage.hit("a", FIVE)
    assert (refused.allowed, refused.retry_after) == (False, 10)
    clock.now += 9.5
    assert not storage.hit("a", FIVE).allowed
    clock.now += 0.5
    assert storage.hit("a", FIVE).allowed
    assert not storage.hit("a", FIVE).allowed


def test_a_refused_request_costs_nothing(storage: Storage, clock: Any) -> None:
    """Who keeps knocking is let in as soon as who waits."""
    for _ in range(50):
        storage.hit("a", FIVE)
    clock.now += 60

    assert storage.hit("a", FIVE).remaining == 4


def test_when_all_is_free_again(storage: Storage, clock: Any) -> None:
    """`reset_at` is one window after the last admitted request."""
    first = storage.hit("a", FIVE)
    clock.now += 30
    second = storage.hit("a", FIVE)

    assert first.reset_at == int(clock.now) - 30 + 60
    assert second.reset_at == int(clock.now) + 60


def test_a_clock_set_back_admits_nothing_twice(storage: Storage, clock: Any) -> None:
    """Time that goes backwards does not open the gate."""
    for _ in range(5):
        storage.hit("a", FIVE)
    clock.now -= 3600

    assert not storage.hit("a", FIVE).allowed


def test_a_lowered_limit_holds_at_once(storage: Storage) -> None:
    """A limit that was changed in the settings counts what was admitted before."""
    for _ in range(4):
        storage.hit("a", FIVE)

    assert not storage.hit("a", Limit(3, 60)).allowed


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(st.floats(0, 40), min_size=1, max_size=25), requests=st.integers(1, 4))
def test_valkey_and_memory_judge_alike(
    kv: redis.Redis, clock: Any, steps: list[float], requests: int
) -> None:
    """For any sequence of moments both say the same, and no window ever holds too many."""
    kv.flushdb()
    wanted = Limit(requests, 60)
    stores = (ValkeyStorage(kv, clock=clock), MemoryStorage(clock))
    admitted: list[float] = []
    for step in steps:
        clock.now = round(clock.now + step, 3)
        one, other = (store.hit("a", wanted) for store in stores)
        assert one == other
        if one.allowed:
            admitted.append(clock.now)
    for moment in admitted:
        assert sum(moment - 60 < other <= moment for other in admitted) <= requests


def test_many_threads_get_no_more_than_one(storage: Storage) -> None:
    """Requests at the same moment share the limit exactly."""
    admitted: list[bool] = []

    def knock() -> None:
        admitted.extend(storage.hit("a", Limit(20, 60)).allowed for _ in range(10))

    threads = [threading.Thread(target=knock) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(admitted) == 20


def test_valkey_keeps_time_for_all(kv: redis.Redis) -> None:
    """Without a clock of its own the storage goes by Valkey's, and its keys expire."""
    storage = ValkeyStorage(kv)
    now = int(kv.time()[0])

    assert abs(storage.hit("a", FIVE).reset_at - now - 60) <= 2
    assert 59_000 < int(kv.pttl("limit:a")) <= 60_000


def test_memory_is_bounded(clock: Any) -> None:
    """However many keys knock, only so many logs are kept; the least used go first."""
    storage = MemoryStorage(clock, max_keys=2)
    for key in ("a", "b", "a", "c"):
        storage.hit(key, FIVE)

    assert storage.hit("a", FIVE).remaining == 2
    assert storage.hit("b", FIVE).remaining == 4


class Flaky:
    """A storage that can be away."""

    def __init__(self, inner: Storage) -> None:
        self.inner = inner
        self.away = False
        self.asked = 0

    def hit(self, key: str, limit: Limit) -> Any:
        """Judge, or fail as Valkey does."""
        self._be_asked()
        return self.inner.hit(key, limit)

    def look(self, key: str, limit: Limit) -> Any:
        """Judge without counting, or fail as Valkey does."""
        self._be_asked()
        return self.inner.look(key, limit)

    def _be_asked(self) -> None:
        self.asked += 1
        if self.away:
            raise redis.ConnectionError("away")


@pytest.fixture
def flaky(clock: Any) -> Flaky:
    """Give a storage that can be away."""
    return Flaky(MemoryStorage(clock))


def fallbacks() -> float:
    """Return how often a limit was judged in memory."""
    return REGISTRY.get_sample_value("gateline_limiter_fallback_total") or 0.0


def test_an_outage_neither_opens_nor_shuts_the_gate(
    kv: redis.Redis, clock: Any, flaky: Flaky, caplog: pytest.LogCaptureFixture
) -> None:
    """While Valkey is away the limit holds in memory; it is logged once and counted each time."""
    limiter = RateLimiter(kv, clock=clock, storage=flaky)
    flaky.away = True
    before = fallbacks()

    allowed = [limiter.hit("a", FIVE).allowed for _ in range(7)]

    assert allowed == [True] * 5 + [False] * 2
    assert fallbacks() - before == 7
    assert len(caplog.records) == 1
    assert "away" in caplog.text


def test_an_outage_costs_one_attempt_a_second(kv: redis.Redis, clock: Any, flaky: Flaky) -> None:
    """Not every request waits for a time-out."""
    limiter = RateLimiter(kv, clock=clock, storage=flaky)
    flaky.away = True
    for _ in range(10):
        limiter.hit("a", FIVE)
    assert flaky.asked == 1

    clock.now += 1
    limiter.hit("a", FIVE)
    assert flaky.asked == 2


def test_valkey_counts_again_when_it_is_back(
    kv: redis.Redis, clock: Any, flaky: Flaky, caplog: pytest.LogCaptureFixture
) -> None:
    """After the outage the shared log rules and what memory held is forgotten."""
    limiter = RateLimiter(kv, clock=clock, storage=flaky)
    limiter.hit("a", FIVE)
    flaky.away = True
    limiter.hit("a", FIVE)
    flaky.away = False
    clock.now += 1

    assert limiter.hit("a", FIVE).remaining == 3
    assert "back" in caplog.text
    flaky.away = True
    clock.now += 1
    assert limiter.hit("a", FIVE).remaining == 4


def test_alone_a_process_gives_its_share(kv: redis.Redis, clock: Any, flaky: Flaky) -> None:
    """Several processes together do not give more than the limit, each gives at least one."""
    flaky.away = True
    quarter = RateLimiter(kv, clock=clock, share=0.25, storage=flaky)

    assert [quarter.hit("a", Limit(8, 60)).allowed for _ in range(3)] == [True, True, False]
    assert quarter.hit("b", Limit(1, 60)).allowed


def test_a_valkey_that_is_cut_off(make_app: Callable[..., Flask], valkey_relay: Any) -> None:
    """The real thing: requests are answered while Valkey is away, and headers still tell."""
    app = make_app(
        REDIS_URL=f"redis://127.0.0.1:{valkey_relay.port}/0", RATE_LIMIT_DEFAULT="2/minute"
    )
    app.add_url_rule("/", view_func=lambda: "ok")
    client = app.test_client()
    valkey_relay.cut()

    answers = [client.get("/") for _ in range(3)]

    assert [one.status_code for one in answers] == [200, 200, 429]
    assert answers[0].headers["X-RateLimit-Remaining"] == "1"


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    """Give an app with differently limited views."""
    app = make_app(RATE_LIMIT_DEFAULT="5/minute", SERVICE_KEYS="orders:key-1,billing:key-2")

    @app.get("/default")
    def default() -> str:
        return "ok"

    @app.get("/other")
    def other() -> str:
        return "ok"

    @app.get("/session")
    @require_session
    def session() -> str:
        return "ok"

    @app.get("/own")
    @limit("2/minute")
    def own() -> str:
        return "ok"

    @app.get("/shared-1")
    @limit("2/minute", scope="shared")
    def shared_1() -> str:
        return "ok"

    @app.get("/shared-2")
    @limit("2/minute", scope="shared")
    def shared_2() -> str:
        return "ok"

    @app.get("/service")
    @limit("2/minute", key=service_key)
    @require_service_key
    def service() -> Any:
        return jsonify("ok")

    @app.get("/free")
    @exempt
    def free() -> str:
        return "ok"

    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Give a client of that app."""
    return app.test_client(use_cookies=False)


def statuses(client: FlaskClient, path: str, times: int, **options: Any) -> list[int]:
    """Return the statuses of several requests."""
    return [client.get(path, **options).status_code for _ in range(times)]


def test_every_endpoint_is_limited(client: FlaskClient) -> None:
    """The default is one allowance per client for all endpoints together, unknown ones too."""
    assert statuses(client, "/default", 3) == [200] * 3
    assert statuses(client, "/unknown", 1) == [404]
    assert statuses(client, "/other", 2) == [200, 429]


def test_limited_answers_say_so(client: FlaskClient, clock: Any) -> None:
    """The headers tell the limit, what is left and when it is free again."""
    answer = client.get("/default")

    assert answer.headers["X-RateLimit-Limit"] == "5"
    assert answer.headers["X-RateLimit-Remaining"] == "4"
    assert abs(int(answer.headers["X-RateLimit-Reset"]) - clock.now - 60) < 5
    assert "Retry-After" not in answer.headers


def test_a_refusal_says_when_to_come_back(client: FlaskClient) -> None:
    """429 in the standard form, with Retry-After."""
    statuses(client, "/own", 2)
    answer = client.get("/own")

    assert answer.status_code == 429
    assert answer.json is not None
    assert answer.json["error"] == "Rate limit exceeded"
    assert answer.json["details"]["reason"] == "limit_spent"
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.headers["X-RateLimit-Remaining"] == "0"


def test_a_limit_of_its_own_replaces_the_default(client: FlaskClient) -> None:
    """A view's own limit counts alone, and what it spends is not missing elsewhere."""
    assert statuses(client, "/own", 3) == [200, 200, 429]
    assert statuses(client, "/default", 5) == [200] * 5


def test_a_scope_is_shared(client: FlaskClient) -> None:
    """Views of one scope spend from one allowance."""
    assert statuses(client, "/shared-1", 1) == [200]
    assert statuses(client, "/shared-2", 2) == [200, 429]


def test_clients_are_told_apart_by_address(client: FlaskClient) -> None:
    """The allowance of one address is not another's."""
    statuses(client, "/default", 6)

    other = statuses(client, "/default", 1, environ_overrides={"REMOTE_ADDR": "192.0.2.7"})

    assert other == [200]


def test_accounts_have_their_own_allowance(
    app: Flask, client: FlaskClient, login: Callable[..., str]
) -> None:
    """Who is logged in counts by account, not by an address shared with others."""
    statuses(client, "/default", 6)
    headers = {"Authorization": f"Bearer {login(app)}"}

    assert statuses(client, "/session", 6, headers=headers) == [200] * 5 + [429]


def test_services_have_their_own_allowance(client: FlaskClient) -> None:
    """Each calling service counts by its name, whatever key it uses."""
    orders, billing = {"X-Service-Key": "key-1"}, {"X-Service-Key": "key-2"}

    assert statuses(client, "/service", 3, headers=orders) == [200, 200, 429]
    assert statuses(client, "/service", 1, headers=billing) == [200]


def test_guessing_service_keys_is_limited(client: FlaskClient) -> None:
    """Wrong keys spend the allowance of their address."""
    wrong = {"X-Service-Key": "guess"}

    assert statuses(client, "/service", 3, headers=wrong) == [403, 403, 429]


def test_probes_are_free(client: FlaskClient) -> None:
    """Health is asked often and answered always, without limit headers."""
    assert 429 not in statuses(client, "/livez", 8)
    assert "X-RateLimit-Limit" not in client.get("/livez").headers
    assert statuses(client, "/free", 8) == [200] * 8
