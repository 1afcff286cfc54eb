"""Whom a request counts for."""

from dataclasses import replace
from typing import Any

import pytest
from edge_exchange import Answered, exchange_for, identity

from gateline.edge.limits.keys import key_of
from gateline.policy.gcra import LimitedBy, LimitRule
from gateline.policy.limits import Limit

WAREHOUSE = replace(identity(), user_id="warehouse", consumer="warehouse")
KIM = replace(identity(), user_id="7", issuer="corp")


@pytest.mark.parametrize(
    ("by", "known", "key"),
    [
        ("client", {"client": "203.0.113.7"}, "203.0.113.7"),
        ("client", {"client": "2001:db8:1:2:3::9"}, "2001:db8:1:2::"),
        ("client", {"client": "fe80::1%eth0"}, "fe80::"),
        ("client", {"client": "::ffff:203.0.113.7"}, "203.0.113.7"),
        ("client", {"client": "no:address"}, "no:address"),
        ("client", {"client": ""}, ""),
        ("user", {"client": "203.0.113.7"}, "203.0.113.7"),
        ("user", {"identity": identity(7)}, "user::7"),
        ("user", {"identity": KIM}, "user:corp:7"),
        ("user", {"identity": WAREHOUSE}, "key:warehouse"),
        ("service_key", {"identity": WAREHOUSE}, "key:warehouse"),
        ("service_key", {"client": "203.0.113.7"}, "203.0.113.7"),
        ("header", {"client": "203.0.113.7"}, "203.0.113.7"),
        ("route", {"client": "203.0.113.7"}, "all"),
    ],
)
def test_the_key(by: LimitedBy, known: dict[str, Any], key: str) -> None:
    """An address, a user of one issuer, a program, or everybody."""
    rule = LimitRule(Limit(1, 60), 1, by, b"x-shop")

    assert key_of(rule)(exchange_for(Answered(), **known)) == key


@pytest.mark.parametrize(("by", "name"), [("service_key", b"x-service-key"), ("header", b"x-shop")])
def test_no_secret_stands_in_a_key(by: LimitedBy, name: bytes) -> None:
    """What a client sends is hashed, whatever its length."""
    rule = LimitRule(Limit(1, 60), 1, by, b"x-shop")
    keys = [
        key_of(rule)(exchange_for(Answered(), headers=[(name, value)]))
        for value in (b"secret-key", b"x" * 8000, b"secret-key")
    ]

    assert keys[0] == keys[2] != keys[1]
    assert all(len(key) < 40 and "secret" not in key for key in keys)
