"""The web service: pages, the browser API, and the gateway for a deployment in Flask alone."""

from flask import Flask

from gateline.shared.app import build_app
from gateline.shared.config import Settings
from gateline.shared.health import report
from gateline.web.assets import init_assets
from gateline.web.error_pages import init_error_pages
from gateline.web.file_routes import plan_of_file, with_plan
from gateline.web.page_context import init_page_context
from gateline.web.routes_account import account
from gateline.web.routes_admin import init_admin
from gateline.web.routes_browser_api import browser_api
from gateline.web.routes_docs import init_docs
from gateline.web.routes_gateway import init_gateway
from gateline.web.routes_pages import init_pages
from gateline.web.routes_registration import registration
from gateline.web.security_headers import init_security_headers
from gateline.web.session_cookie import init_renewal

__all__ = ["create_app"]


def create_app(settings: Settings | None = None) -> Flask:
    """Build the web service: `flask --app gateline.web run` or any WSGI server."""
    settings = settings or Settings.load(service="web")
    plan = plan_of_file(settings)
    if plan is not None:
        settings = with_plan(settings, plan)
    app = build_app(__name__, service="web", settings=settings, static_folder=None)
    init_assets(app)
    init_page_context(app)
    init_pages(app)
    app.register_blueprint(registration)
    app.register_blueprint(account)
    init_docs(app)
    app.register_blueprint(browser_api)
    app.add_url_rule("/api/v1/health", "api_health", report)
    init_admin(app)
    init_gateway(app, plan)
    # Flask calls what acts on answers in the reverse order of registration: sessions are renewed,
    # then errors become pages, then pages get their headers.
    init_security_headers(app)
    init_error_pages(app)
    init_renewal(app)
    return app
