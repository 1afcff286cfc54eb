"""The api service: profiles and orders.

    gunicorn -w 4 "gateline.api:create_app()"        or        flask --app gateline.api run

* `GET|PATCH /api/users/me`
* `POST|GET /api/orders`, `GET|DELETE /api/orders/{id}`, `POST /api/orders/{id}/cancel`
* `GET /api/health`

What to know before changing something:

* Everybody sees only what is their own; what belongs to others answers 404.
* A changed name or telephone number is told to the auth service through the outbox: the message is
  written in the transaction of the change (`outbox`) and delivered by a worker of its own
  (`jobs`, `gateline serve jobs`), however long auth is away.
"""

import time
from collections.abc import Callable

from flask import Flask

from gateline.api.migrations import MIGRATIONS
from gateline.api.routes_health import health
from gateline.api.routes_orders import orders
from gateline.api.routes_users import users
from gateline.shared.app import build_app
from gateline.shared.config import Settings
from gateline.shared.migrations import init_migrations

__all__ = ["MIGRATIONS", "create_app"]


def create_app(
    settings: Settings | None = None, *, clock: Callable[[], float] = time.time
) -> Flask:
    """Return the api service as a WSGI app; `clock` tells seconds since the epoch."""
    app = build_app(__name__, service="api", settings=settings, clock=clock)
    init_migrations(app, MIGRATIONS)
    for blueprint in (users, orders, health):
        app.register_blueprint(blueprint)
    return app
