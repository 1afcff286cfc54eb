"""Which endpoint gets a request."""

from collections import Counter
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateline.policy.balancing import (
    Ring,
    bounds_of,
    draw_one,
    draw_two,
    is_overloaded,
    least_requests,
    rotation,
)

WEIGHTS = st.lists(st.integers(1, 100), min_size=1, max_size=12)
DRAWS = st.floats(0, 1, exclude_max=True)
STEPS = 400


def test_a_draw_follows_the_weights() -> None:
    """Of evenly spread draws each endpoint gets its share of the weights."""
    bounds = bounds_of([9, 1, 0, 10])
    drawn = Counter(draw_one(bounds, step / STEPS) for step in range(STEPS))
    assert drawn == {0: 180, 1: 20, 3: 200}


@given(weights=WEIGHTS, draw=DRAWS, other=DRAWS)
def test_two_draws_are_two_endpoints(weights: list[int], draw: float, other: float) -> None:
    """Where there are two, two different ones are compared."""
    one, second = draw_two(bounds_of(weights), draw, other)
    assert 0 <= one < len(weights)
    assert 0 <= second < len(weights)
    assert (one != second) is (len(weights) > 1)


def test_the_second_draw_follows_the_weights_of_the_rest() -> None:
    """Beside the first endpoint the others are drawn as often as their weights say."""
    bounds = bounds_of([2, 3, 1])
    first = [draw_two(bounds, 0.0, step / STEPS) for step in range(STEPS)]
    middle = [draw_two(bounds, 0.5, step / STEPS) for step in range(STEPS)]
    assert Counter(second for _, second in first) == {1: 300, 2: 100}
    assert {one for one, _ in middle} == {1}
    assert Counter(second for _, second in middle)[0] == pytest.approx(267, abs=1)


def test_load_counts_in_relation_to_weight() -> None:
    """Nine requests on a weight of nine are as many as one on a weight of one."""
    assert least_requests(9, 9, 1, 1)
    assert not least_requests(10, 9, 1, 1)
    assert least_requests(0, 1, 0, 9)


@given(weights=st.lists(st.integers(0, 60), min_size=1, max_size=8).filter(any))
def test_a_rotation_gives_everybody_their_turns(weights: list[int]) -> None:
    """In one round turns are exactly in proportion to the weights."""
    turns = Counter(rotation(weights))
    total = sum(weights)
    assert set(turns) == {index for index, weight in enumerate(weights) if weight}
    for index, weight in enumerate(weights):
        assert turns[index] * total == weight * turns.total()


def test_turns_do_not_clump() -> None:
    """A heavy endpoint's turns are spread over the round."""
    assert rotation([5, 1, 1]) == (0, 0, 1, 0, 2, 0, 0)
    assert rotation([1, 1, 1]) == (0, 1, 2)
    assert all(one != other for one, other in pairwise(rotation([3, 2, 2])))


def test_fractions_and_large_weights_make_short_rounds() -> None:
    """A weight that is eased in, or one of a million, still gives a round of bounded length."""
    eased = Counter(rotation([1.0, 0.1, 1.0]))
    assert eased[1] / eased[0] == pytest.approx(0.1, rel=0.1)
    large = rotation([1_000_000, 1])
    assert len(large) <= 1001
    assert set(large) == {0, 1}


KEYS = [b"key-%d" % number for number in range(2000)]
NAMES = [f"http://10.0.0.{number}:80" for number in range(5)]


def _owners(ring: Ring, out: frozenset[int] = frozenset()) -> list[int]:
    return [next(index for index in ring.walk(key) if index not in out) for key in KEYS]


def test_keys_spread_over_the_ring_by_weight() -> None:
    """Each endpoint has roughly its share of many keys."""
    shares = Counter(_owners(Ring(NAMES, [1, 1, 1, 1, 4])))
    for index, weight in enumerate([1, 1, 1, 1, 4]):
        assert shares[index] == pytest.approx(len(KEYS) * weight / 8, rel=0.5)


@given(gone=st.integers(0, 4))
def test_only_the_keys_of_one_that_left_move(gone: int) -> None:
    """Everybody else's keys stay where they were."""
    ring = Ring(NAMES, [1] * 5)
    before, after = _owners(ring), _owners(ring, frozenset({gone}))
    assert all(old == new for old, new in zip(before, after, strict=True) if old != gone)
    assert gone not in after


def test_a_new_endpoint_takes_its_share_and_moves_nothing_else() -> None:
    """A key either stays or goes to the new endpoint."""
    before = _owners(Ring(NAMES[:4], [1] * 4))
    after = _owners(Ring(NAMES, [1] * 5))
    moved = [new for old, new in zip(before, after, strict=True) if old != new]
    assert set(moved) == {4}
    assert len(moved) == pytest.approx(len(KEYS) / 5, rel=0.5)


@given(key=st.binary(max_size=20))
def test_a_walk_meets_everybody_once(key: bytes) -> None:
    """However many are passed over, there is a next one, until all were met."""
    assert sorted(islice(Ring(NAMES, [1, 2, 3, 4, 5]).walk(key), 10)) == [0, 1, 2, 3, 4]


def test_the_bound_on_load() -> None:
    """An endpoint may have a quarter more than its share, and always one request."""
    assert not is_overloaded(0, 0, 0.25)
    assert not is_overloaded(24, 79, 0.25)
    assert is_overloaded(25, 79, 0.25)


@given(loads=st.lists(st.integers(0, 50), min_size=1, max_size=8))
def test_somebody_always_has_room(loads: list[int]) -> None:
    """The bound never passes over all endpoints."""
    share = 1 / len(loads)
    assert not all(is_overloaded(load, sum(loads), share) for load in loads)
