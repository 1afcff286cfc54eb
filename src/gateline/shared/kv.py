"""Valkey (or Redis): clients with bounded pools, time-outs and retries.

Nothing connects before the first command. A store that is away raises redis' ConnectionError or
TimeoutError, which `middleware.error_handler` answers with 503 `session_store_unavailable`.
"""

from typing import Any, Final

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from gateline import __version__
from gateline.shared.config import Settings

# The older protocol is what every server and proxy in front of one speaks.
PROTOCOL: Final = 2
HEALTH_CHECK_SECONDS: Final = 15
RETRIES: Final = 1

_BACKOFF: Final = {"base": 0.02, "cap": 0.1}


def connect(
    settings: Settings, *, timeout: float | None = None, retries: int = RETRIES
) -> redis.Redis:
    """Return a client for threads: answers are strings, at most `redis_max_connections` sockets.

    A full pool waits for `timeout` seconds (default: `redis_timeout`) and then fails like a store
    that is away. A lost connection is tried once more; a time-out is not.
    """
    seconds = timeout or settings.redis_timeout
    pool = redis.BlockingConnectionPool.from_url(
        settings.redis_url,
        timeout=seconds,
        retry=Retry(
            ExponentialWithJitterBackoff(**_BACKOFF),
            retries,
            supported_errors=(redis.ConnectionError,),
        ),
        **_options(settings, seconds),
    )
    return redis.Redis.from_pool(pool)


def connect_async(
    settings: Settings, *, timeout: float | None = None, retries: int = RETRIES
) -> redis.asyncio.Redis:
    """Return a client for coroutines, with the same bounds as `connect`.

    Subscribing connections wait for messages without end: give them their own client with
    `socket_timeout=None`.
    """
    seconds = timeout or settings.redis_timeout
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        settings.redis_url,
        timeout=seconds,
        retry=AsyncRetry(
            ExponentialWithJitterBackoff(**_BACKOFF),
            retries,
            supported_errors=(redis.ConnectionError,),
        ),
        **_options(settings, seconds),
    )
    return redis.asyncio.Redis.from_pool(pool)


def _options(settings: Settings, timeout: float) -> dict[str, Any]:
    return {
        "protocol": PROTOCOL,
        "decode_responses": True,
        "max_connections": settings.redis_max_connections,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "health_check_interval": HEALTH_CHECK_SECONDS,
        "client_name": f"gateline-{__version__}",
    }
