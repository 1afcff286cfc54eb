"""Service keys: where they are read, how they are compared, how they are changed."""

from collections.abc import Callable, Mapping

import pytest
from flask import Flask, g

from gateline.shared.service_keys import (
    ServiceKeys,
    hash_key,
    parse_service_keys,
    require_service_key,
    service_key_from,
)


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"X-Service-Key": "K"}, "K"),
        ({"Authorization": "Bearer K"}, "K"),
        ({"Authorization": "bearer  K "}, "K"),
        ({"X-Service-Key": "K", "Authorization": "Bearer other"}, "K"),
        ({"X-Service-Key": "", "Authorization": "Bearer K"}, None),
        ({"Authorization": "Basic K"}, None),
        ({"Authorization": "Bearer"}, None),
        ({}, None),
    ],
)
def test_where_a_key_is_read(headers: Mapping[str, str], key: str | None) -> None:
    """X-Service-Key and Authorization: Bearer are both accepted; the first goes before."""
    assert service_key_from(headers) == key


def test_settings_are_parsed() -> None:
    """Pairs of name and key; a key may hold colons, a name may come twice."""
    assert parse_service_keys(" orders:a:b , billing:c,orders:d,") == [
        ("orders", "a:b"),
        ("billing", "c"),
        ("orders", "d"),
    ]
    assert parse_service_keys("") == []


@pytest.mark.parametrize("text", ["secret", ":secret", "name:", "a:b,secret"])
def test_a_wrong_setting_is_refused_without_showing_it(text: str) -> None:
    """The message names the variable and the part, never the key."""
    with pytest.raises(ValueError, match="SERVICE_KEYS") as refused:
        parse_service_keys(text)
    assert "secret" not in str(refused.value)


def test_a_key_names_its_service() -> None:
    """While a key is changed, the old and the new one both name the service."""
    keys = ServiceKeys.parse("orders:old-key,orders:new-key,billing:third")

    assert keys.identify("old-key") == keys.identify("new-key") == "orders"
    assert keys.identify("third") == "billing"


@pytest.mark.parametrize("key", [None, "", "old", "old-key ", "OLD-KEY", "x" * 100_000, "\ud800"])
def test_a_wrong_key_names_nobody(key: str | None) -> None:
    """Not even nearly right is right, and no text makes the comparison fail."""
    assert ServiceKeys.parse("orders:old-key").identify(key) is None


def test_no_keys_let_nobody_in() -> None:
    """An empty setting admits no empty key."""
    assert ServiceKeys.parse("").identify("") is None


def test_keys_are_kept_as_hashes_only() -> None:
    """A dump of the object shows no key."""
    keys = ServiceKeys.parse("orders:the-very-key")

    assert "the-very-key" not in repr(vars(keys))
    assert hash_key("the-very-key") in repr(vars(keys))


def test_the_database_is_asked_last_and_by_hash() -> None:
    """Keys of the settings cost no lookup; the others are looked up without being shown."""
    asked: list[str] = []

    def lookup(digest: str) -> str | None:
        asked.append(digest)
        return "stored" if digest == hash_key("in-the-database") else None

    keys = ServiceKeys.parse("orders:in-the-settings").with_lookup(lookup)

    assert keys.identify("in-the-settings") == "orders"
    assert asked == []
    assert keys.identify("in-the-database") == "stored"
    assert keys.identify("nowhere") is None
    assert asked == [hash_key("in-the-database"), hash_key("nowhere")]


@pytest.fixture
def guarded(make_app: Callable[..., Flask]) -> Flask:
    """Give an app with one view for services."""
    app = make_app(SERVICE_KEYS="orders:key-of-the-orders-service")

    @app.post("/internal")
    @require_service_key
    def internal() -> dict[str, str]:
        return {"caller": g.service_name}

    return app


def test_a_service_gets_in(guarded: Flask) -> None:
    """The view learns who is calling."""
    answer = guarded.test_client().post(
        "/internal", headers={"X-Service-Key": "key-of-the-orders-service"}
    )

    assert answer.json == {"caller": "orders"}


@pytest.mark.parametrize("headers", [{}, {"X-Service-Key": "wrong"}, {"Authorization": "Bearer x"}])
def test_nobody_else_gets_in(guarded: Flask, headers: dict[str, str]) -> None:
    """A missing and a wrong key are answered alike: 403 with the prescribed error."""
    answer = guarded.test_client().post("/internal", headers=headers)

    assert answer.status_code == 403
    assert answer.json is not None
    assert answer.json["error"] == "Invalid service key"
    assert answer.json["details"]["reason"] == "service_key_invalid"
