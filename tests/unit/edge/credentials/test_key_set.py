"""Keys are fetched when they are needed, seldom, and kept while the issuer is away."""

import asyncio
import json
from typing import Any

import pytest
from outside_tokens import KEYS, key_set

from gateline.edge.credentials.key_set import FetchFailed, KeySet, KeysUnavailable, read_keys


class Publisher:
    """An issuer whose answers and absence the test decides, with the clock."""

    def __init__(self, document: bytes = b"") -> None:
        self.document = document
        self.fetches = 0
        self.now = 0.0
        self.open = asyncio.Event()
        self.open.set()

    async def fetch(self, _: str) -> bytes:
        """Give the document, or fail when there is none."""
        self.fetches += 1
        await self.open.wait()
        if not self.document:
            raise FetchFailed("away")
        return self.document

    def keys(self, cooldown: float = 30.0) -> KeySet:
        """Return the key set that is fetched here."""
        return KeySet("http://keys", self.fetch, cooldown=cooldown, clock=lambda: self.now)


async def _ids(keys: KeySet, kid: str | None) -> list[str]:
    return [str(key.kid) for key in await keys.candidates(kid)]


def test_many_who_need_a_key_fetch_once() -> None:
    """Those who come meanwhile wait for the same answer."""

    async def scenario() -> None:
        publisher = Publisher(key_set("ec", "rsa"))
        keys = publisher.keys()
        publisher.open.clear()
        asking = [asyncio.ensure_future(_ids(keys, "ec")) for _ in range(20)]
        await asyncio.sleep(0)
        asking[0].cancel()
        publisher.open.set()

        assert await asyncio.gather(*asking[1:]) == [["ec"]] * 19
        assert await _ids(keys, "rsa") == ["rsa"]
        assert sorted(await _ids(keys, None)) == ["ec", "rsa"]
        assert publisher.fetches == 1

    asyncio.run(scenario())


def test_made_up_names_are_no_load_for_the_issuer() -> None:
    """An unknown key is looked for once in the cool-down, under whatever name."""

    async def scenario() -> None:
        publisher = Publisher(key_set("ec"))
        keys = publisher.keys()
        await keys.candidates("ec")
        publisher.now = 100.0
        for number in range(50):
            assert await _ids(keys, f"made-up-{number}") == []
        publisher.now = 131.0
        await keys.candidates("made-up")

        assert publisher.fetches == 3

    asyncio.run(scenario())


def test_a_new_key_is_found() -> None:
    """Rotation: the first token with the new key brings it, and the old one goes."""

    async def scenario() -> None:
        publisher = Publisher(key_set("ec"))
        keys = publisher.keys()
        await keys.candidates("ec")
        version = keys.version
        publisher.document = key_set("rsa")
        publisher.now = 40.0

        assert await _ids(keys, "rsa") == ["rsa"]
        assert keys.version > version
        assert await _ids(keys, "ec") == []

    asyncio.run(scenario())


@pytest.mark.parametrize("document", [b"", b"<html>", b'{"keys": []}', b'{"keys": 7}', b"[1]"])
def test_keys_stay_while_the_issuer_is_away(document: bytes) -> None:
    """An issuer that is away, or answers nonsense, takes nothing away."""

    async def scenario() -> None:
        publisher = Publisher(key_set("ec"))
        keys = publisher.keys()
        await keys.candidates("ec")
        publisher.document = document
        publisher.now = 10_000.0

        assert await _ids(keys, "ec") == ["ec"]
        await asyncio.sleep(0.01)
        assert await _ids(keys, "ec") == ["ec"]
        assert publisher.fetches == 2

    asyncio.run(scenario())


def test_without_any_key_nothing_can_be_said() -> None:
    """That is not the client's fault; the next look is not far."""

    async def scenario() -> None:
        publisher = Publisher()
        keys = publisher.keys(cooldown=300.0)
        with pytest.raises(KeysUnavailable):
            await keys.candidates("ec")
        with pytest.raises(KeysUnavailable):
            await keys.candidates("ec")
        publisher.document = key_set("ec")
        publisher.now = 6.0

        assert await _ids(keys, "ec") == ["ec"]
        assert publisher.fetches == 2

    asyncio.run(scenario())


def test_old_keys_are_renewed_beside() -> None:
    """After ten minutes the next use fetches, without waiting for it."""

    async def scenario() -> None:
        publisher = Publisher(key_set("ec"))
        keys = publisher.keys()
        await keys.candidates("ec")
        publisher.document = key_set("rsa")
        publisher.now = 700.0

        assert await _ids(keys, "ec") == ["ec"]
        await asyncio.sleep(0.01)
        assert await _ids(keys, "ec") == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "odd",
    [
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0", "kid": "secret"},
        {"kty": "XYZ", "kid": "unknown kind"},
        {"kty": "RSA", "kid": "half", "e": "AQAB"},
        {**KEYS["rsa"][1].as_dict(private=False), "use": "enc"},
        "no key",
        None,
    ],
)
def test_what_cannot_verify_is_left_out(odd: Any) -> None:
    """Secrets, unknown kinds, broken keys and keys for encryption harm no others."""
    members = [odd, KEYS["ec"][1].as_dict(private=False)]

    assert list(read_keys(json.dumps({"keys": members}).encode())) == ["ec"]
