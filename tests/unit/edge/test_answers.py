"""What the edge says itself: bytes, lengths and headers of its own answers."""

import asyncio
import json

import pytest
from edge_exchange import Answered, exchange_for

from gateline.edge import answers
from gateline.edge.exchange import Refused
from gateline.policy.reasons import METHOD_NOT_ALLOWED, REASONS, SESSION_MISSING, Reason


@pytest.mark.parametrize("reason", REASONS.values(), ids=REASONS.keys())
def test_every_refusal_reads_alike(reason: Reason) -> None:
    """Status, body and header of each reason agree."""
    answered = Answered()
    asyncio.run(answers.refuse(exchange_for(answered), Refused(reason)))
    assert answered.status == reason.status
    assert json.loads(answered.body) == {
        "error": reason.error,
        "message": reason.message,
        "details": {"reason": reason.code, "request_id": "request-1"},
    }
    assert answered.headers[b"x-gateline-error"] == reason.code.encode()
    assert answered.headers[b"cache-control"] == b"no-store"
    assert answered.headers[b"content-length"] == b"%d" % len(answered.body)
    assert (b"www-authenticate" in answered.headers) is (reason.status == 401)
    assert answered.whole


def test_a_refusal_brings_its_own_headers_and_words() -> None:
    """Headers such as Allow, and a message for this very case, go along."""
    answered = Answered()
    exchange = exchange_for(answered)
    refused = Refused(METHOD_NOT_ALLOWED, [(b"allow", b"GET")], message="Only GET.")
    asyncio.run(answers.refuse(exchange, refused))
    assert answered.headers[b"allow"] == b"GET"
    assert json.loads(answered.body)["message"] == "Only GET."
    assert (exchange.reason, exchange.status) == (METHOD_NOT_ALLOWED, 405)


def test_a_head_request_gets_the_length_alone() -> None:
    """HEAD is told what GET would have got, without a byte of it."""
    answered = Answered()
    exchange = exchange_for(answered, "HEAD")
    asyncio.run(answers.refuse(exchange, Refused(SESSION_MISSING)))
    assert answered.body == b""
    assert int(answered.headers[b"content-length"]) > 50
    assert exchange.sent_bytes == 0


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_body_has_no_length(status: int) -> None:
    """RFC 9110, 8.6: no Content-Length in a 204."""
    answered = Answered()
    asyncio.run(answers.send_whole(exchange_for(answered), status, [], b""))
    assert b"content-length" not in answered.headers


def test_an_answer_carries_id_and_what_was_added() -> None:
    """The request id is on every answer, and so are headers that a phase wanted there."""
    answered = Answered()
    exchange = exchange_for(answered, response_headers=[(b"set-cookie", b"a=1")])
    asyncio.run(answers.send_json(exchange, 200, {"a": "é"}, []))
    assert exchange.answered
    assert answered.headers[b"x-request-id"] == b"request-1"
    assert answered.headers[b"set-cookie"] == b"a=1"
    assert json.loads(answered.body) == {"a": "é"}
    assert exchange.sent_bytes == len(answered.body)


def test_where_the_time_went_is_told_when_asked() -> None:
    """Own time, the service's, the client's and what the cache did (W3C Server Timing)."""
    answered = Answered()
    exchange = exchange_for(
        answered,
        tells_timing=True,
        service="shop",
        attempts=2,
        upstream_seconds=0.25,
        client_seconds=0.5,
        cache="miss",
    )
    exchange.started -= 0.75
    asyncio.run(answers.send_whole(exchange, 200, [], b""))
    own, rest = answered.headers[b"server-timing"].split(b", ", 1)
    assert float(own.removeprefix(b"edge;dur=")) >= 0
    assert rest == (
        b'upstream;dur=250.000;desc="shop, 2 attempts", client;dur=500.000, cache;desc="miss"'
    )


def test_nobody_is_told_unasked() -> None:
    """What a service needs is nobody's business otherwise."""
    answered = Answered()
    asyncio.run(answers.send_whole(exchange_for(answered), 200, [], b""))
    assert b"server-timing" not in answered.headers
