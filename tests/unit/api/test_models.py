"""The tables and the payloads agree."""

from typing import get_args

from gateline.api.models import ORDER_STATUSES
from gateline.api.schemas import OrderStatus


def test_states_are_the_same_everywhere() -> None:
    """What the table allows is what the payloads know."""
    assert get_args(OrderStatus) == ORDER_STATUSES
