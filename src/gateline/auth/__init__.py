"""The auth service: accounts, passwords, tokens and sessions, and how other services ask for them.

    gunicorn "gateline.auth:create_app()"        or        flask --app gateline.auth run

For people (JSON; `/api/v1/auth/...` also speaks cookie):

* `POST /api/auth/register`, `/login`, `/refresh`, `/logout`, `/change-password`
* `POST /api/v1/auth/login`, `/logout`, `GET /api/v1/auth/validate`
* `GET|DELETE /api/auth/sessions`, `DELETE /api/auth/sessions/{id}`

For administrators (their session, by bearer or cookie), below `/api/auth/admin`:

* `GET|POST /users`, `GET|PATCH|DELETE /users/{name}`, `PUT /users/{name}/password`
* `GET /sessions`, `DELETE /sessions/{id}`, `DELETE /users/{name}/sessions`
* `GET /audit`, `GET /figures`

For services (`X-Service-Key`, or the key as bearer; 100 requests a minute each):

* `POST /api/auth/validate-token`, `/sync-session`, `/sync-user`, `/revoke-user-sessions`
* in bulk `/validate-tokens`, `/sync-users`; for gateways `/sessions/renew`
* `GET /.well-known/jwks.json`, open to all

What to know before changing something:

* A session lives in two places: its row in PostgreSQL is the history and the right to refresh, its
  entry in Valkey what every gateway asks. Whoever changes a user's sessions holds the user's row
  first (`service.hold_user`); an ending is acknowledged only when both places have it.
* A refresh token works until its session ends; an access token lives 30 minutes and needs its
  entry, which 15 minutes without use delete.
* An account may be known elsewhere first: `sync-user` with an unknown id makes one without a
  password under exactly this id, never an administrator. New ids step around those.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from flask import Flask

from gateline.auth.history import init_history
from gateline.auth.keys import service_of
from gateline.auth.migrations import MIGRATIONS
from gateline.auth.passwords import Passwords
from gateline.auth.routes_accounts import accounts
from gateline.auth.routes_admin import admin_api
from gateline.auth.routes_services import integration
from gateline.auth.routes_sessions import own_sessions
from gateline.shared.app import Parts, build_app
from gateline.shared.config import Settings
from gateline.shared.migrations import init_migrations

__all__ = ["MIGRATIONS", "create_app"]


def create_app(
    settings: Settings | None = None, *, clock: Callable[[], float] = time.time
) -> Flask:
    """Return the auth service as a WSGI app; `clock` tells seconds since the epoch."""
    app = build_app(__name__, service="auth", settings=settings, clock=clock)
    parts: Parts = app.extensions["gateline"]
    keys = parts.service_keys.with_lookup(service_of)
    app.extensions["gateline"] = replace(parts, service_keys=keys)
    app.extensions["gateline.auth.passwords"] = Passwords()
    init_migrations(app, MIGRATIONS)
    init_history(app)
    for blueprint in (accounts, own_sessions, integration, admin_api):
        app.register_blueprint(blueprint)
    return app
