"""Which of several endpoints gets a request: by weight and load, in turn, or by a key.

Endpoints are known here by their place in a sequence; draws are numbers in [0, 1).
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import accumulate
from math import ceil, gcd
from typing import Final

_RING_POINTS: Final = 160
_MOST_POINTS: Final = 40_000
_MOST_TURNS: Final = 1000
_SPARE_LOAD: Final = 1.25


def bounds_of(weights: Sequence[float]) -> tuple[float, ...]:
    """Return where each endpoint's part of the line from 0 to the sum of all weights ends."""
    return tuple(accumulate(weights))


def draw_one(bounds: Sequence[float], draw: float) -> int:
    """Return an endpoint, each as often as its weight says."""
    return min(bisect_right(bounds, draw * bounds[-1]), len(bounds) - 1)


def draw_two(bounds: Sequence[float], draw: float, other_draw: float) -> tuple[int, int]:
    """Return two different endpoints: the first by weight, the second by weight among the rest.

    With a single endpoint both are that one.
    """
    first = draw_one(bounds, draw)
    start = bounds[first - 1] if first else 0.0
    width = bounds[first] - start
    at = other_draw * (bounds[-1] - width)
    if at >= start:
        at += width
    return first, min(bisect_right(bounds, at), len(bounds) - 1)


def least_requests(load: int, weight: float, other_load: int, other_weight: float) -> bool:
    """Tell whether the first of two endpoints stays chosen: by load in relation to weight.

    At equal load the first one is kept, so that idle endpoints share by weight alone.
    """
    return load * other_weight <= other_load * weight


def rotation(weights: Sequence[float]) -> tuple[int, ...]:
    """Return one round of smooth weighted round robin, in which nobody's turns clump.

    Each endpoint has as many turns as its weight says (scaled to at most 1,000 in all, at least
    one); weight 0 has none.
    """
    turns = _turns(weights)
    total = sum(turns)
    credit = [0] * len(turns)
    order = []
    for _ in range(total):
        for index, turn in enumerate(turns):
            credit[index] += turn
        chosen = max(range(len(turns)), key=credit.__getitem__)
        credit[chosen] -= total
        order.append(chosen)
    return tuple(order)


def _turns(weights: Sequence[float]) -> list[int]:
    """Return the weights as whole numbers without a common divisor."""
    whole = [int(weight) for weight in weights]
    if whole != list(weights) or sum(whole) > _MOST_TURNS:
        scale = min(100.0 * len(weights), _MOST_TURNS - len(weights)) / sum(weights)
        whole = [max(1, round(weight * scale)) if weight > 0 else 0 for weight in weights]
    divisor = gcd(*whole) or 1
    return [turn // divisor for turn in whole]


class Ring:
    """Consistent hashing: a key keeps its endpoint while others come and go.

    Every endpoint has points on a ring in number by its weight; a key belongs to the next point.
    The same names and weights give the same ring in every process.
    """

    def __init__(self, names: Sequence[str], weights: Sequence[float]) -> None:
        mean = (sum(weights) / len(weights)) or 1.0
        each = min(_RING_POINTS, max(1, _MOST_POINTS // len(names)))
        points = sorted(
            (_position(f"{name}#{number}".encode()), index)
            for index, (name, weight) in enumerate(zip(names, weights, strict=True))
            for number in range(ceil(each * weight / mean))
        )
        self._positions = [position for position, _ in points]
        self._owners = [owner for _, owner in points]

    def walk(self, key: bytes) -> Iterator[int]:
        """Return the endpoints in the key's order of preference, each once."""
        owners = self._owners
        start = bisect_right(self._positions, _position(key))
        seen: set[int] = set()
        for step in range(len(owners)):
            owner = owners[(start + step) % len(owners)]
            if owner not in seen:
                seen.add(owner)
                yield owner


def is_overloaded(load: int, total: int, share: float) -> bool:
    """Tell whether an endpoint has more than 1.25 times its share of the load.

    `load` and `total` are requests in flight, there and everywhere; the next one belongs to them
    ("Consistent Hashing with Bounded Loads", Mirrokni, Thorup and Zadimoghaddam, 2016).
    """
    return load + 1 > ceil(_SPARE_LOAD * (total + 1) * share)


def _position(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big")
