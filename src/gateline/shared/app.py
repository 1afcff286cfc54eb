"""`build_app`: a Flask app with everything that a service of the platform stands on."""

import datetime as dt
import decimal
import enum
import logging
import os
import time
import uuid
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import click
import redis
from flask import Flask, Response, current_app, g
from flask.cli import ScriptInfo
from flask.json.provider import DefaultJSONProvider
from flask_cors import CORS
from pydantic import BaseModel

from gateline.policy.cors import EXPOSED_HEADERS
from gateline.shared import kv as valkey
from gateline.shared import logs, metrics
from gateline.shared.config import FlaskConfig, Settings
from gateline.shared.database import db, init_db
from gateline.shared.health import Probe, database_probe, init_health, redis_probe
from gateline.shared.middleware.error_handler import init_error_handlers
from gateline.shared.middleware.rate_limiter import RateLimiter, init_rate_limiter
from gateline.shared.middleware.request_context import init_request_context
from gateline.shared.openapi import init_openapi
from gateline.shared.schemas.base import json_dump, timestamp_text
from gateline.shared.service_keys import ServiceKeys
from gateline.shared.sessions import SessionStore
from gateline.shared.telemetry.handler import WritingHandler
from gateline.shared.tokens import Tokens

EXTENSION: Final = "gateline"
PREFLIGHT_SECONDS: Final = 600
SAMPLE_SECONDS: Final = 1.0
"""Connections are counted at most that often: the gauges cost nothing per request."""

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the parts of a service are built from once; `clock` tells epoch seconds."""

    settings: Settings
    kv: redis.Redis
    tokens: Tokens
    sessions: SessionStore
    limiter: RateLimiter
    service_keys: ServiceKeys
    clock: Clock


def parts() -> Parts:
    """Return the parts of the current app."""
    return cast("Parts", current_app.extensions[EXTENSION])


def build_app(
    import_name: str,
    *,
    service: str,
    settings: Settings | None = None,
    database: bool = True,
    clock: Clock = time.time,
    **flask_kwargs: Any,
) -> Flask:
    """Return a Flask app that logs, answers errors, checks hosts, limits rates and knows sessions.

    Nothing connects here: engines that are away are answered with 503 until they are back.
    `settings` default to what `Settings.load` finds; `flask_kwargs` go to `Flask`.
    """
    settings = settings or Settings.load()
    _debug_for_flasks_command(settings)
    logs.configure(service, settings, also=_for_the_control_room(service, settings))
    app = Flask(import_name, **flask_kwargs)
    app.config.from_object(FlaskConfig(settings))
    app.json = JsonProvider(app)
    # `/things` and `/things/` are the same, without a redirect that would lose a body.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.extensions[EXTENSION] = _parts(service, settings, clock)

    init_request_context(app, service=service, settings=settings)
    init_error_handlers(app)
    _init_cors(app, settings)
    init_rate_limiter(app, settings.rate_limit_default)
    init_openapi(app, service)
    if database:
        init_db(app)
    _init_health(app, service, settings, database=database)
    _init_gauges(app, service, database=database)
    weakref.finalize(app, app.extensions[EXTENSION].kv.close)
    return app


def _debug_for_flasks_command(settings: Settings) -> None:
    """Let `flask run` know of DEBUG, wherever it is set: it goes by FLASK_DEBUG alone.

    The command reads that variable after it has built the app; `--debug` and `--no-debug` have
    set it before and win.
    """
    context = click.get_current_context(silent=True)
    if settings.debug and context is not None and context.find_object(ScriptInfo) is not None:
        os.environ.setdefault("FLASK_DEBUG", "1")


def _for_the_control_room(service: str, settings: Settings) -> list[logging.Handler]:
    """Return the handler that keeps log records where the control room reads them.

    Not under FLASK_ENV=testing: tests of an app start no thread and need no Valkey.
    """
    return [] if settings.flask_env == "testing" else [WritingHandler(service, settings)]


class JsonProvider(DefaultJSONProvider):
    """JSON as the APIs show it: keys as given, times in UTC with `Z`, Unicode unescaped."""

    ensure_ascii = False
    sort_keys = False

    @staticmethod
    def default(value: Any) -> Any:
        """Return the JSON-able form of a value that JSON does not know."""
        return _json_default(value)


def _json_default(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return json_dump(value)
    if isinstance(value, dt.datetime):
        return timestamp_text(value)
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (uuid.UUID, decimal.Decimal)):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.value
    return DefaultJSONProvider.default(value)


def _parts(service: str, settings: Settings, clock: Clock) -> Parts:
    kv = valkey.connect(settings)
    return Parts(
        settings=settings,
        kv=kv,
        tokens=Tokens.from_settings(settings, clock),
        sessions=SessionStore(kv, settings.session_idle_seconds, clock),
        limiter=RateLimiter(kv, prefix=f"limit:{service}:", clock=clock),
        service_keys=ServiceKeys.parse(settings.service_keys),
        clock=clock,
    )


def _init_cors(app: Flask, settings: Settings) -> None:
    """Answer listed origins only; with `*` any, but then without credentials."""
    if settings.cors_origins:
        CORS(
            app,
            origins=list(settings.cors_origins),
            supports_credentials="*" not in settings.cors_origins,
            expose_headers=list(EXPOSED_HEADERS),
            max_age=PREFLIGHT_SECONDS,
            send_wildcard="*" in settings.cors_origins,
        )


def _init_health(app: Flask, service: str, settings: Settings, *, database: bool) -> None:
    probes: dict[str, Probe] = {}
    if database:
        probes["database"] = database_probe(settings.database_url)
    probes["redis"] = redis_probe(settings)
    init_health(app, service=service, probes=probes)


def _init_gauges(app: Flask, service: str, *, database: bool) -> None:
    last = float("-inf")

    def sample(response: Response) -> Response:
        nonlocal last
        now = g.get("started_at", 0.0)
        if now - last >= SAMPLE_SECONDS:
            last = now
            metrics.observe_redis(service, parts().kv)
            if database:
                metrics.observe_database(service, db.engine)
        return response

    app.after_request(sample)
