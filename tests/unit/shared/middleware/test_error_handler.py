"""One body for every error, and nothing of a crash in it."""

import logging

import psycopg
import pytest
import redis
from flask import Flask, abort
from flask.testing import FlaskClient
from sqlalchemy import exc
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, TooManyRequests

from gateline.shared.errors import ApiError, Conflict
from gateline.shared.middleware.error_handler import as_api_error, init_error_handlers


@pytest.fixture
def client() -> FlaskClient:
    """Give a client of an app in which everything goes wrong."""
    app = Flask("x")
    app.config["PROPAGATE_EXCEPTIONS"] = False
    init_error_handlers(app)
    app.add_url_rule("/crash", "crash", lambda: str(1 / 0))
    app.add_url_rule("/abort/<int:status>", "abort", lambda status: abort(status, "secret detail"))
    app.add_url_rule("/only-post", "post", str, methods=["POST", "PUT"])
    app.add_url_rule("/slash/", "slash", str)

    @app.get("/conflict")
    def conflict() -> str:
        raise Conflict("There is one already.", headers={"X-Seen": "1"}, details={"id": 7})

    @app.get("/after")
    def after() -> str:
        return "fine"

    @app.after_request
    def break_after(response: object) -> object:
        from flask import request

        if request.path == "/after":
            raise RuntimeError
        return response

    return app.test_client()


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/nothing", 404, "not_found"),
        ("/abort/400", 400, "bad_request"),
        ("/abort/401", 401, "session_missing"),
        ("/abort/403", 403, "role_missing"),
        ("/abort/413", 413, "payload_too_large"),
        ("/abort/415", 415, "unsupported_media_type"),
        ("/abort/418", 418, "bad_request"),
        ("/abort/429", 429, "limit_spent"),
        ("/abort/500", 500, "internal_error"),
        ("/abort/501", 501, "internal_error"),
        ("/abort/503", 503, "overloaded"),
        ("/conflict", 409, "conflict"),
        ("/crash", 500, "internal_error"),
        ("/after", 500, "internal_error"),
    ],
)
def test_every_error_has_the_standard_body(
    client: FlaskClient, path: str, status: int, reason: str
) -> None:
    """Whatever went wrong, the answer is JSON with error, message, reason and request id."""
    response = client.get(path)
    body = response.get_json()
    assert response.status_code == status
    assert set(body) == {"error", "message", "details"}
    assert body["details"]["reason"] == reason
    assert body["details"]["request_id"]
    assert "secret detail" not in response.text
    assert response.headers["Cache-Control"] == "no-store"


def test_405_tells_what_is_allowed(client: FlaskClient) -> None:
    """RFC 9110 wants an Allow header."""
    response = client.get("/only-post")
    assert response.status_code == 405
    assert response.headers["Allow"] == "OPTIONS, POST, PUT"


def test_an_error_keeps_its_headers_and_details(client: FlaskClient) -> None:
    """What the raiser adds arrives."""
    response = client.get("/conflict")
    assert response.headers["X-Seen"] == "1"
    assert response.get_json()["message"] == "There is one already."
    assert response.get_json()["details"]["id"] == 7


def test_a_crash_is_told_to_the_log_only(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The client learns a request id; the traceback is in the log."""
    with caplog.at_level(logging.ERROR):
        response = client.get("/crash")
    assert "ZeroDivisionError" not in response.text
    assert "Traceback" not in response.text
    assert caplog.records[0].exc_info is not None
    assert caplog.records[0].exc_info[0] is ZeroDivisionError


def test_redirects_are_no_errors(client: FlaskClient) -> None:
    """A redirect raised by routing passes."""
    assert client.get("/slash").status_code == 308


def dbapi(kind: type[exc.DBAPIError], orig: Exception) -> exc.DBAPIError:
    """Return a database error as SQLAlchemy raises it."""
    return kind("SELECT secret", {}, orig)


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (
            dbapi(exc.OperationalError, psycopg.OperationalError("away")),
            503,
            "database_unavailable",
        ),
        (dbapi(exc.InterfaceError, psycopg.InterfaceError("closed")), 503, "database_unavailable"),
        (dbapi(exc.OperationalError, psycopg.errors.DeadlockDetected()), 503, "overloaded"),
        (dbapi(exc.OperationalError, psycopg.errors.QueryCanceled()), 503, "overloaded"),
        (exc.TimeoutError("pool"), 503, "overloaded"),
        (dbapi(exc.ProgrammingError, psycopg.ProgrammingError()), 500, "internal_error"),
        (redis.ConnectionError("away"), 503, "session_store_unavailable"),
        (redis.TimeoutError("slow"), 503, "session_store_unavailable"),
        (redis.exceptions.ReadOnlyError("replica"), 503, "session_store_unavailable"),
        (redis.ResponseError("wrong type"), 500, "internal_error"),
        (RequestEntityTooLarge(), 413, "payload_too_large"),
        (TooManyRequests(retry_after=7), 429, "limit_spent"),
        (KeyError("x"), 500, "internal_error"),
    ],
)
def test_failures_of_engines_are_told_apart(error: Exception, status: int, reason: str) -> None:
    """An engine that is away is 503 with its reason; a mistake of ours is 500."""
    told = as_api_error(error)
    assert (told.status, told.reason.code) == (status, reason)


def test_what_comes_right_by_waiting_says_when() -> None:
    """503 and 429 carry Retry-After."""
    assert as_api_error(redis.ConnectionError()).headers["Retry-After"] == "1"
    assert as_api_error(TooManyRequests(retry_after=7)).headers["Retry-After"] == "7"


def test_the_cause_of_a_wrapped_crash_is_judged() -> None:
    """Flask wraps a crash after the view; its cause decides."""
    wrapped = HTTPException()
    wrapped.code = 500
    wrapped.original_exception = redis.ConnectionError()  # type: ignore[attr-defined] # as Flask does
    assert as_api_error(wrapped).reason.code == "session_store_unavailable"
    assert as_api_error(refusal := ApiError()) is refusal
