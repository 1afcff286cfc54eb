"""Ways to choose a target."""

import random
from collections import Counter

import pytest
from edge_exchange import identity
from fake_targets import a_request, service_of, set_load, upstream_of

from gateline.edge.upstreams import Upstream
from gateline.edge.upstreams.choosing import key_reader
from gateline.policy.services import Balance


def _upstream(
    *names: str, balance: Balance = "least_requests", hash_on: str = "client"
) -> Upstream:
    dice = random.Random(7)
    service = service_of(names, balance=balance, hash_on=hash_on)
    return upstream_of(service, draws=iter(dice.random, 2.0))


def _shares(upstream: Upstream, requests: int = 4000) -> Counter[str]:
    return Counter(upstream.choose(a_request()).name for _ in range(requests))


def test_idle_targets_share_by_weight() -> None:
    """A canary with a tenth of the weight has a tenth of the requests."""
    shares = _shares(_upstream("old*9", "new*1"))
    assert shares["new"] == pytest.approx(400, rel=0.2)


def test_a_target_without_weight_has_no_requests() -> None:
    """Weight 0 takes a target out, for one that is to be drained."""
    assert _shares(_upstream("a", "b*0", "c")).keys() == {"a", "c"}


def test_the_busier_of_two_is_avoided() -> None:
    """With everybody drawn equally often, the busiest target is chosen by nobody."""
    upstream = _upstream("a", "b", "c", "d")
    for load, target in enumerate(upstream.targets):
        set_load(target, load * 10)
    shares = _shares(upstream)
    assert "d" not in shares
    assert shares["a"] > shares["b"] > shares["c"]


def test_load_is_seen_in_relation_to_weight() -> None:
    """A target of weight 3 with 3 requests is no busier than one of weight 1 with 1."""
    upstream = _upstream("big*3", "small*1")
    set_load(upstream.targets[0], 3)
    set_load(upstream.targets[1], 2)
    assert _shares(upstream).keys() == {"big"}


def test_turns() -> None:
    """Round robin asks everybody in turn."""
    upstream = _upstream("a", "b", "c", balance="round_robin")
    names = [upstream.choose(a_request()).name for _ in range(9)]
    assert names[:3] == names[3:6] == names[6:]
    assert set(names) == {"a", "b", "c"}


def test_turns_by_weight() -> None:
    """Round robin asks the heavy more often."""
    assert _shares(_upstream("a*3", "b*1", balance="round_robin"), 400) == {"a": 300, "b": 100}


def test_equal_keys_meet_the_same_target() -> None:
    """A client's requests all go to one target, clients spread over all."""
    upstream = _upstream("a", "b", "c", balance="hash")
    for number in range(50):
        address = f"10.0.0.{number}"
        names = {upstream.choose(a_request(client=address)).name for _ in range(5)}
        assert len(names) == 1
    everywhere = {upstream.choose(a_request(client=f"10.1.0.{n}")).name for n in range(100)}
    assert everywhere == {"a", "b", "c"}


def test_a_key_never_floods_its_target() -> None:
    """Beyond a quarter more than its share, a popular key's requests go on to the next target."""
    upstream = _upstream("a", "b", "c", balance="hash")
    seen: Counter[str] = Counter()
    for _ in range(90):
        target = upstream.choose(a_request(client="10.0.0.1"))
        seen[target.name] += 1
        set_load(target, seen[target.name])
    assert max(seen.values()) <= 38
    assert len(seen) == 3


def test_without_its_key_a_request_goes_anywhere() -> None:
    """Requests that lack the header are spread, not piled on one target."""
    upstream = _upstream("a", "b", "c", balance="hash", hash_on="header:X-Tenant")
    assert len(_shares(upstream, 200)) == 3


def test_what_keys_are_read_from() -> None:
    """Client address, user, header and cookie."""
    headers = [(b"x-tenant", b"acme"), (b"cookie", b"a=1; sid=s-1"), (b"cookie", b"b=2")]
    request = a_request(headers=headers)
    assert key_reader("client")(request) == b"10.0.0.1"
    assert key_reader("user")(request) == b"10.0.0.1"
    assert key_reader("user")(a_request(identity=identity(9))) == b"user:9"
    assert key_reader("header:X-Tenant")(request) == b"acme"
    assert key_reader("header:X-Other")(request) is None
    assert key_reader("cookie:sid")(request) == b"s-1"
    assert key_reader("cookie:other")(request) is None


@pytest.mark.parametrize("balance", ["least_requests", "round_robin", "hash"])
def test_another_attempt_goes_elsewhere(balance: Balance) -> None:
    """While there are targets that were not tried, the next attempt is made at one of them."""
    upstream = _upstream("a", "b", "c", balance=balance)
    for number in range(30):
        request = a_request(client=f"10.0.0.{number}")
        tried = [upstream.choose(request)]
        for _ in range(2):
            assert upstream.has_others(tried)
            tried.append(upstream.choose_besides(request, tried))
        assert {target.name for target in tried} == {"a", "b", "c"}
        assert not upstream.has_others(tried)
        assert upstream.choose_besides(request, tried) in upstream.targets


@pytest.mark.parametrize("balance", ["least_requests", "round_robin", "hash"])
def test_a_single_target_is_always_it(balance: Balance) -> None:
    """There is nothing to choose, whatever was tried."""
    upstream = _upstream("a", balance=balance)
    (only,) = upstream.targets
    assert upstream.choose(a_request()) is upstream.choose_besides(a_request(), [only]) is only


@pytest.mark.parametrize("balance", ["least_requests", "round_robin", "hash"])
def test_when_nobody_has_a_weight_somebody_is_asked(balance: Balance) -> None:
    """A file that drains everybody is a mistake that must not break anything else."""
    assert _upstream("a*0", "b*0", balance=balance).choose(a_request()).name in ("a", "b")
