"""Clients of Valkey: bounded, timed, and back after an outage."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from gateline.shared import kv
from gateline.shared.app import build_app, parts
from gateline.shared.config import Settings


def test_answers_are_text(settings: Settings) -> None:
    """No caller has to decode."""
    with kv.connect(settings) as client:
        client.set("kv-test", "ä")
        assert client.get("kv-test") == "ä"
        client.delete("kv-test")


def test_coroutines_get_the_same(settings: Settings) -> None:
    """The asynchronous client has the same bounds and answers."""

    async def ask() -> Any:
        async with kv.connect_async(settings) as client:
            await client.set("kv-test-async", "1")
            return await client.getdel("kv-test-async")

    assert asyncio.run(ask()) == "1"


def test_every_wait_is_bounded(make_settings: Callable[..., Settings]) -> None:
    """Pool, connection and answer have limits taken from the settings."""
    client = kv.connect(make_settings(REDIS_TIMEOUT="0.7", REDIS_MAX_CONNECTIONS="3"))
    options = client.connection_pool.connection_kwargs
    assert (options["socket_timeout"], options["socket_connect_timeout"]) == (0.7, 0.7)
    assert client.connection_pool.max_connections == 3
    assert options["health_check_interval"] == kv.HEALTH_CHECK_SECONDS


def test_a_store_that_does_not_answer_is_given_up(make_settings: Callable[..., Settings]) -> None:
    """A silent server costs the time-out, not for ever."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        client = kv.connect(make_settings(REDIS_URL=url, REDIS_TIMEOUT="0.05"))
        with pytest.raises(redis.TimeoutError):
            client.ping()
        client.close()


def test_a_full_pool_fails_like_a_store_that_is_away(settings: Settings) -> None:
    """More threads than connections are told to try again, not queued without end."""
    few = settings.model_copy(update={"redis_max_connections": 1, "redis_timeout": 0.05})
    with kv.connect(few) as client:
        connection = client.connection_pool.get_connection()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        client.connection_pool.release(connection)


def asker(settings: Settings) -> FlaskClient:
    """Return a client of a service that asks Valkey."""
    app = build_app("x", service="asker", settings=settings, database=False)
    app.add_url_rule("/answer", view_func=lambda: {"pong": parts().kv.ping()})
    return app.test_client()


def test_a_store_that_is_away_is_503(make_settings: Callable[..., Settings]) -> None:
    """The app starts without it and says what is missing."""
    response = asker(make_settings()).get("/answer")
    assert response.status_code == 503
    assert response.get_json()["details"]["reason"] == "session_store_unavailable"


def test_service_resumes_when_the_store_is_back(
    make_settings: Callable[..., Settings], valkey_relay: Any
) -> None:
    """No restart is needed."""
    client = asker(make_settings(REDIS_URL=f"redis://127.0.0.1:{valkey_relay.port}/0"))
    assert client.get("/answer").get_json() == {"pong": True}
    valkey_relay.cut()
    assert client.get("/answer").status_code == 503
    valkey_relay.restore()
    assert client.get("/answer").get_json() == {"pong": True}
