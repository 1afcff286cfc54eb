"""What clients are told of their limits can be read by the letter of the draft."""

from gateline.policy.gcra import LimitRule
from gateline.policy.limits import Limit
from gateline.policy.rate_limit_fields import (
    NAMES,
    Standing,
    custom_fields,
    policy_field,
    policy_names,
    retry_after,
    state_field,
    state_item,
)

MINUTE = LimitRule(Limit(600, 60), 600)
DAY = LimitRule(Limit(10_000, 86_400), 100, "user")
SECOND = LimitRule(Limit(20, 1), 20)


def test_each_limit_has_a_name_of_its_own() -> None:
    """Two limits of one kind are told apart."""
    assert policy_names([MINUTE, DAY, SECOND]) == ["client", "user", "client-2"]


def test_the_policy_is_a_list_of_strings_with_parameters() -> None:
    """Quota and window of each limit, as structured fields."""
    assert policy_field([MINUTE, DAY], ["client", "user"]) == (
        b"ratelimit-policy",
        b'"client";q=600;w=60, "user";q=10000;w=86400',
    )


def test_the_state_tells_what_remains_and_until_when() -> None:
    """Seconds are whole, and never too few."""
    items = [state_item("client"), state_item("user")]

    assert state_field(items, [Standing(599, 0.1), Standing(0, 30.0)]) == (
        b"ratelimit",
        b'"client";r=599;t=1, "user";r=0;t=30',
    )


def test_the_fields_by_custom() -> None:
    """The reset is a moment, in seconds since the epoch."""
    assert custom_fields(MINUTE, Standing(7, 2.5), 1000.0) == [
        (b"x-ratelimit-limit", b"600"),
        (b"x-ratelimit-remaining", b"7"),
        (b"x-ratelimit-reset", b"1003"),
    ]


def test_nobody_is_told_to_come_back_at_once() -> None:
    """Retry-After is at least a second, and rounds up."""
    assert retry_after(0.0) == (b"retry-after", b"1")
    assert retry_after(1.2) == (b"retry-after", b"2")


def test_every_field_is_known_as_ours() -> None:
    """What a service says of limits can be told from all other headers."""
    fields = [
        policy_field([MINUTE], ["client"]),
        state_field([state_item("client")], [Standing(1, 1.0)]),
    ]
    fields += custom_fields(MINUTE, Standing(1, 1.0), 0.0)

    assert {name for name, _ in fields} == NAMES
