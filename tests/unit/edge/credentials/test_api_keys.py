"""API keys are found by their hash, and tell a service which program asks."""

import hashlib

from gateline.edge.credentials.api_keys import ApiKeys
from gateline.policy.credentials import ApiKey

KEYS = [
    ApiKey("warehouse", hashlib.sha256(b"key-of-the-warehouse").digest(), "partner"),
    ApiKey("till", hashlib.sha256(b"key-of-the-till").digest()),
]


def test_a_key_is_a_consumer() -> None:
    """Its name and kind go to the service; it is no user."""
    consumer = ApiKeys(KEYS, lambda _: None).find(b"key-of-the-warehouse")

    assert consumer is not None
    assert consumer.headers == [(b"x-consumer", b"warehouse"), (b"x-user-type", b"partner")]
    assert consumer.identity.user_type == "partner"
    assert consumer.identity.source == "key"


def test_other_keys_are_nobodys() -> None:
    """Neither a wrong one, nor none, nor the stored hash itself, nor one without bounds."""
    keys = ApiKeys(KEYS, lambda _: None)
    wrong = (b"key-of-the-til", b"", KEYS[0].digest, KEYS[0].digest.hex().encode(), b"x" * 10_000)

    assert [keys.find(key) for key in wrong] == [None] * 5
