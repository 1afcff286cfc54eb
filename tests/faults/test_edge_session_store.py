"""The session store under the edge: silent in steady state, obeyed at once, away and back."""

import contextlib
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from edge_people import People, edge_environment, now_ms, percentile
from mortal_valkey import MortalValkey
from running_edge import RunningEdge
from scripted_services import ScriptedServices

from gateline.local.engines import wait_until

LIST = "/api/v1/doctors/"
REQUESTS = 500
REVOCATIONS = 200
SESSION_COMMANDS = {"get", "pttl", "ttl", "expire", "zscore", "evalsha", "mget", "exists"}


@pytest.fixture(scope="module")
def mortal() -> Iterator[MortalValkey]:
    """Run a Valkey that tests may end."""
    folder = Path(tempfile.mkdtemp(prefix="gateline-mortal-"))
    store = MortalValkey(folder)
    store.start()
    yield store
    store.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def shaky_edge(
    mortal: MortalValkey, every_service: ScriptedServices, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningEdge]:
    """Run an edge over the store that tests may end."""
    environment = edge_environment(mortal.engine.url(), REDIS_TIMEOUT="0.5")
    running = RunningEdge(
        tmp_path_factory.mktemp("shaky-edge"), environment | every_service.environment
    )
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def members(mortal: MortalValkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    """Give a way to log people in at the store that tests may end."""
    known = People(edge_environment(mortal.engine.url()), tmp_path_factory.mktemp("members"))
    yield known
    known.close()


def feeds(people: People) -> list[str]:
    """Return the ids of the connections that listen for changes."""
    clients = people.kv.client_list()
    return [one["id"] for one in clients if "t" in one["flags"]]


def until_status(edge: RunningEdge, token: str, status: int, within_ms: float) -> float:
    """Ask until the answer has this status; return after how many milliseconds it had."""
    started = now_ms()
    with edge.connect() as wire:
        while True:
            wire.send_head("GET", LIST, [(b"Authorization", b"Bearer " + token.encode())])
            got = wire.read()
            took = now_ms() - started
            if got.status == status:
                return took
            assert took < within_ms, f"still {got.status} after {took:.0f} ms"


def session_commands(people: People) -> int:
    """Return how many commands were called that a session could need."""
    return sum(calls for name, calls in people.commands().items() if name in SESSION_COMMANDS)


def lookups(people: People) -> dict[str, int]:
    """Return how often each command was called that looks up a session.

    EVALSHA and EXPIRE do not: now and then the edge leases a part of a limit and says that it is
    there, and what scripts call is counted too.
    """
    told = SESSION_COMMANDS - {"evalsha", "expire"}
    return {name: calls for name, calls in people.commands().items() if name in told}


def test_steady_state_needs_no_command_per_request(
    edge: RunningEdge, services: ScriptedServices, people: People
) -> None:
    """500 authenticated requests ask the store next to nothing."""
    bearer = people.log_in().bearer
    with edge.connect() as wire:
        wire.send_head("GET", LIST, [bearer])
        assert wire.read().status == 200
        before = session_commands(people)
        for _ in range(REQUESTS):
            wire.send_head("GET", LIST, [bearer])
            assert wire.read().status == 200
        spent = session_commands(people) - before
    sys.stdout.write(f"{spent} commands for {REQUESTS} requests: {spent / REQUESTS:.4f} each\n")
    assert spent / REQUESTS < 0.02


def test_revocation_is_obeyed_within_100_ms(
    edge: RunningEdge, services: ScriptedServices, people: People
) -> None:
    """Deleting an entry ends the session at the edge at once, 200 times out of 200."""
    times = []
    for _ in range(REVOCATIONS):
        person = people.log_in()
        assert until_status(edge, person.token, 200, 1000) < 1000
        assert until_status(edge, person.token, 200, 1000) < 1000
        people.revoke(person)
        times.append(until_status(edge, person.token, 401, 1000))
    p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
    sys.stdout.write(f"{REVOCATIONS} revocations: 401 after p50 {p50:.2f} ms, p99 {p99:.2f} ms\n")
    assert max(times) < 100


def test_a_session_that_is_stored_again_is_believed_again(
    edge: RunningEdge, services: ScriptedServices, people: People
) -> None:
    """A refusal in memory ends with the entry's return, not with its own time."""
    person, spare = people.log_in(), people.log_in()
    record = people.kv.get(f"access_token:{person.token}")
    people.revoke(person)
    assert edge.get(LIST, token=person.token).status == 401
    assert record is not None
    people.kv.set(f"access_token:{person.token}", record, ex=60)
    assert until_status(edge, person.token, 200, 100) < 100
    assert edge.get(LIST, token=spare.token).status == 200


def test_use_renews_an_entry(edge: RunningEdge, services: ScriptedServices, people: People) -> None:
    """An entry that was long unused lives on for the whole idle time after one request."""
    person = people.log_in()
    people.forget_use(person, 100)
    assert edge.get(LIST, token=person.token).status == 200
    assert wait_until(lambda: people.life(person) > 800, seconds=3)


def test_renewal_ends_with_the_token(
    edge: RunningEdge, services: ScriptedServices, people: People
) -> None:
    """No entry outlives its token by being used."""
    person = people.log_in(lifetime=300)
    people.forget_use(person, 100)
    assert edge.get(LIST, token=person.token).status == 200
    assert wait_until(lambda: people.life(person) > 200, seconds=3)
    assert people.life(person) <= 300


def test_renewal_never_brings_an_entry_back(
    edge: RunningEdge, services: ScriptedServices, people: People
) -> None:
    """A session that is revoked between its use and the renewal stays revoked."""
    gone, witness = people.log_in(), people.log_in()
    people.forget_use(gone, 100)
    people.forget_use(witness, 100)
    assert edge.get(LIST, token=gone.token).status == 200
    assert edge.get(LIST, token=witness.token).status == 200
    people.revoke(gone)
    assert wait_until(lambda: people.life(witness) > 800, seconds=3)
    assert people.life(gone) == -2
    assert edge.get(LIST, token=gone.token).status == 401


def test_memory_does_not_outlive_the_token(
    edge: RunningEdge, services: ScriptedServices, people: People
) -> None:
    """A token that is used without a pause still ends at its `exp`."""
    person = people.log_in(lifetime=2)
    took = until_status(edge, person.token, 401, 3000)
    assert took > 500
    assert edge.get(LIST, token=person.token).reason == "token_expired"


def test_flushing_the_store_ends_every_session(
    shaky_edge: RunningEdge, services: ScriptedServices, members: People
) -> None:
    """FLUSHDB comes as one message for all keys and empties memory."""
    crowd = [members.log_in() for _ in range(5)]
    for person in crowd:
        assert shaky_edge.get(LIST, token=person.token).status == 200
    members.kv.flushdb()
    for person in crowd:
        assert until_status(shaky_edge, person.token, 401, 100) < 100


def test_losing_only_the_feed_means_bypass_then_trust(
    shaky_edge: RunningEdge, services: ScriptedServices, members: People
) -> None:
    """Without the feed every request asks the store; with it back, none does."""
    # The test before may have left the edge about to subscribe again.
    assert wait_until(lambda: len(feeds(members)) == 1, seconds=5.0)
    person = members.log_in()
    mark = len(shaky_edge.output)
    assert shaky_edge.get(LIST, token=person.token).status == 200
    (feed,) = feeds(members)
    members.kv.client_kill_filter(_id=feed)
    assert shaky_edge.get(LIST, token=person.token).status == 200
    shaky_edge.wait_for_line("session memory is off", after=mark)
    shaky_edge.wait_for_line("session memory is on", after=mark)
    assert feeds(members) != [feed]
    assert shaky_edge.get(LIST, token=person.token).status == 200
    before = lookups(members)
    for _ in range(20):
        assert shaky_edge.get(LIST, token=person.token).status == 200
    assert lookups(members) == before


def test_what_is_revoked_while_the_feed_is_down_stays_revoked(
    shaky_edge: RunningEdge, services: ScriptedServices, members: People
) -> None:
    """A change that no feed told of is still seen: memory is not asked without one."""
    times = []
    for _ in range(10):
        person = members.log_in()
        assert shaky_edge.get(LIST, token=person.token).status == 200
        mark = len(shaky_edge.output)
        for feed in feeds(members):
            members.kv.client_kill_filter(_id=feed)
        members.revoke(person)
        times.append(until_status(shaky_edge, person.token, 401, 1000))
        shaky_edge.wait_for_line("session memory is on", after=mark)
        assert shaky_edge.get(LIST, token=person.token).status == 401
    assert max(times) < 100


def test_the_store_killed_and_back(
    shaky_edge: RunningEdge, services: ScriptedServices, members: People, mortal: MortalValkey
) -> None:
    """While it is away bearers get 503 and pages still come; afterwards all is well again."""
    kept, revoked = members.log_in(), members.log_in()
    for person in (kept, revoked):
        assert shaky_edge.get(LIST, token=person.token).status == 200
    members.wait_for_disk()
    mark = len(shaky_edge.output)
    mortal.kill()
    shaky_edge.wait_for_line("session memory is off", after=mark)
    started = now_ms()
    away = shaky_edge.get(LIST, token=kept.token)
    assert (away.status, away.reason) == (503, "session_store_unavailable")
    assert now_ms() - started < 2000
    assert shaky_edge.get("/", [kept.cookie]).reason == "session_store_unavailable"
    assert shaky_edge.get("/").status == 200
    assert shaky_edge.get("/readyz").status == 503
    assert shaky_edge.get("/livez").status == 200
    assert shaky_edge.get(LIST, token="junk").reason == "token_invalid"
    mortal.start()
    with contextlib.suppress(ConnectionError):
        members.kv.ping()  # the connection of before is dead
    members.revoke(revoked)
    assert until_status(shaky_edge, kept.token, 200, 5000) < 5000
    assert shaky_edge.get(LIST, token=revoked.token).status == 401
    shaky_edge.wait_for_line("session memory is on", after=mark)
    assert shaky_edge.get(LIST, token=revoked.token).status == 401
    assert shaky_edge.get("/readyz").status == 200


def test_a_frozen_store_is_noticed(
    shaky_edge: RunningEdge, services: ScriptedServices, members: People, mortal: MortalValkey
) -> None:
    """A store that neither answers nor closes is bypassed after the feed's silence, in bounds."""
    person = members.log_in()
    assert shaky_edge.get(LIST, token=person.token).status == 200
    mark = len(shaky_edge.output)
    mortal.signal(signal.SIGSTOP)
    try:
        shaky_edge.wait_for_line("session memory is off", after=mark)
        started = now_ms()
        away = shaky_edge.get(LIST, token=person.token)
        assert (away.status, away.reason) == (503, "session_store_unavailable")
        assert now_ms() - started < 3000
    finally:
        mortal.signal(signal.SIGCONT)
    assert until_status(shaky_edge, person.token, 200, 5000) < 5000
    shaky_edge.wait_for_line("session memory is on", after=mark)
