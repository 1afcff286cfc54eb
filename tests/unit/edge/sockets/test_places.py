"""Places for sockets, of all and of each client."""

import pytest

from gateline.edge.exchange import Refused
from gateline.edge.sockets.places import Engines, Places
from gateline.policy.reasons import OVERLOADED, TOO_MANY_SOCKETS, Reason

NONE = Engines()


def _reason(places: Places, client: str, engines: Engines = NONE) -> Reason | None:
    try:
        places.refuse_beyond(client, engines)
    except Refused as refused:
        return refused.reason
    return None


def test_places_are_given_back() -> None:
    """In all and for each client."""
    places = Places(3, 2)
    with places.taken("a"), places.taken("b"):
        assert _reason(places, "a") is None
        with places.taken("a"):
            assert _reason(places, "c") is OVERLOADED
        assert _reason(places, "a") is None
    with places.taken("a"), places.taken("a"):
        assert _reason(places, "a") is TOO_MANY_SOCKETS
        assert _reason(places, "b") is None


def test_polling_clients_take_places_once_they_have_joined() -> None:
    """Newcomers have a budget of their own, by whatever transport they came."""
    places = Places(3, 2)
    assert _reason(places, "a", Engines(polling=3)) is OVERLOADED
    assert _reason(places, "a", Engines(polling=2, polling_of_client=2)) is TOO_MANY_SOCKETS
    assert _reason(places, "a", Engines(9, 9, 9, 9)) is None
    with places.taken("a"), places.taken("a"), places.taken("a"):
        assert _reason(places, "a", Engines(0, 3, 0, 3)) is None


@pytest.mark.parametrize(
    ("engines", "reason"),
    [
        (Engines(0, 199, 0, 49), None),
        (Engines(0, 50, 0, 50), TOO_MANY_SOCKETS),
        (Engines(0, 200, 0, 0), OVERLOADED),
    ],
)
def test_newcomers_are_bounded(engines: Engines, reason: Reason | None) -> None:
    """Those of one client before those of all."""
    if reason is None:
        Places.refuse_newcomer(engines)
        return
    with pytest.raises(Refused) as refused:
        Places.refuse_newcomer(engines)
    assert refused.value.reason is reason
