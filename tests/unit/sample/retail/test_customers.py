"""Registering: an account and a customer, or neither."""

import json
from typing import Any

import pytest
import sqlalchemy as sa

from gateline.sample.retail.models import Customer
from gateline.shared.upstream import Answer

WORST = {
    "no JSON": Answer(201, [], b"<html>"),
    "no user": Answer(201, [(b"content-type", b"application/json")], b"{}"),
    "a list": Answer(201, [(b"content-type", b"application/json")], b"[1]"),
    "an error": Answer(500, [(b"content-type", b"application/json")], b"{}"),
}


def customers(shop: Any) -> list[tuple[int, str]]:
    """Return account and e-mail of every customer."""
    rows = shop.execute(sa.select(Customer.user_id, Customer.email).order_by(Customer.id))
    return [(user_id, email) for user_id, email in rows]


def test_a_customer_gets_an_account_and_a_row(shop: Any) -> None:
    """The account is of type customer, the row knows it by number."""
    answer = shop.register(first_name="Nora", last_name="Lind", phone="+34 600 100 200")
    assert answer.status_code == 201
    shown = answer.json["customer"]
    assert answer.json["status"] == "success"
    assert shown.pop("id").isdecimal()
    assert shown == {
        "user_id": "100",
        "email": "nora@example.com",
        "name": "Nora Lind",
        "first_name": "Nora",
        "last_name": "Lind",
        "phone": "+34 600 100 200",
        "newsletter": False,
        "created_at": "2025-03-12T12:00:00Z",
    }
    assert answer.headers["Cache-Control"] == "no-store"
    [(_, sent, _)] = shop.auth.calls
    assert sent["user_type"] == "customer"
    assert customers(shop) == [(100, "nora@example.com")]


def test_one_name_is_split(shop: Any) -> None:
    """The first word is the first name."""
    shown = shop.register(name="Nora Maria Lind").json["customer"]
    assert (shown["first_name"], shown["last_name"]) == ("Nora", "Maria Lind")


def test_auth_is_asked_in_the_name_of_the_client(shop: Any) -> None:
    """Its limits count for the client's address, not for ours; no password comes back."""
    answer = shop("POST", "/register", json={"email": "a@example.com", "password": "long enough"})
    assert answer.status_code == 201
    headers = shop.auth.calls[0][2]
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert headers["X-Request-ID"] == answer.headers["X-Request-ID"]
    assert "long enough" not in answer.text


def test_a_duplicate_is_refused(shop: Any) -> None:
    """The same person again, or another one with the e-mail: 409 naming the field."""
    assert shop.register().status_code == 201
    for fields in ({}, {"password": "another password"}, {"email": "NORA@example.com"}):
        answer = shop.register(**fields)
        assert answer.status_code == 409
        assert answer.json["error"] == "Conflict"
        assert "email" in answer.json["details"]["fields"]
    assert len(customers(shop)) == 1


def test_somebody_elses_account_is_not_taken(shop: Any) -> None:
    """A doctor's account does not become a customer, whoever knows its password."""
    password = "a good password"
    shop.auth.accounts["nora@example.com"] = {
        "id": "7",
        "password": password,
        "user_type": "doctor",
    }
    assert shop.register(password=password).status_code == 409
    assert customers(shop) == []


def test_while_auth_is_away_nothing_is_made(shop: Any) -> None:
    """503 with a reason; the same request later succeeds."""
    shop.auth.away = True
    answer = shop.register()
    assert answer.status_code == 503
    assert answer.json["details"]["reason"] == "upstream_unavailable"
    assert answer.json["details"]["service"] == "auth"
    assert customers(shop) == []
    shop.auth.away = False
    assert shop.register().status_code == 201


def test_a_lost_answer_is_made_good(shop: Any) -> None:
    """The account was made but we never heard: registering again completes it, logged out again."""
    shop.auth.lose = 1
    assert shop.register().status_code == 503
    assert customers(shop) == []
    assert shop.register(password="not the password").status_code == 409
    again = shop.register()
    assert again.status_code == 201
    assert customers(shop) == [(100, "nora@example.com")]
    assert shop.auth.paths()[-3:] == ["register", "login", "logout"]
    assert shop.auth.calls[-1][2]["Authorization"] == "Bearer a.b.c"


@pytest.mark.parametrize("kind", sorted(WORST))
def test_rubbish_from_auth_is_no_account(shop: Any, kind: str) -> None:
    """503, and no row."""
    shop.auth.says["/api/auth/register"] = WORST[kind]
    assert shop.register().status_code == 503
    assert customers(shop) == []


def test_what_auth_finds_wrong_is_said(shop: Any) -> None:
    """Its field errors and its limits reach the client."""
    body = {"details": {"fields": {"password": ["is too simple"]}}}
    head = [(b"content-type", b"application/json")]
    shop.auth.says["/api/auth/register"] = Answer(400, head, json.dumps(body).encode())
    refused = shop.register()
    assert refused.status_code == 400
    assert refused.json["details"]["fields"] == {"password": ["is too simple"]}
    shop.auth.says["/api/auth/register"] = Answer(429, [*head, (b"Retry-After", b"7")], b"{}")
    limited = shop.register()
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "7")


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"email": "nora"}, "email"),
        ({"password": "short"}, "password"),
        ({"user_type": "admin"}, "user_type"),
        ({"name": "N", "first_name": "N"}, "body"),
        ({"phone": "call me"}, "phone"),
        ({"newsletter": "yes"}, "newsletter"),
    ],
)
def test_wrong_fields_never_reach_auth(shop: Any, fields: dict[str, Any], wrong: str) -> None:
    """Each is named; what is unknown is refused."""
    answer = shop.register(**fields)
    assert answer.status_code == 400
    assert wrong in answer.json["details"]["fields"]
    assert shop.auth.calls == []


def test_another_site_may_not_register_people(shop: Any) -> None:
    """A browser's cross-site request is refused."""
    answer = shop(
        "POST",
        "/register",
        json={"email": "a@example.com", "password": "long enough"},
        headers={"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    )
    assert answer.status_code == 403
    assert answer.json["details"]["reason"] == "cross_site"
    assert shop.auth.calls == []
