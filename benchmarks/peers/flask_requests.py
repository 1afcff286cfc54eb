"""The gateway that a Flask team writes first: a view, a session look-up, requests.

It does what Gateline's edge does for the same route: verifies the token, looks the session up and
renews it, checks the role, injects identity and forwarding headers, drops hop-by-hop headers and
writes a log line.
"""

import logging
import time
import uuid

import requests
from flask import Flask, Response, g, jsonify, request

from gateline.shared import kv
from gateline.shared.config import Settings
from gateline.shared.sessions import SessionStore
from gateline.shared.tokens import TokenRefused, Tokens

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"}
_ROLES = {"doctor", "institution", "admin"}


def create_app() -> Flask:
    """Build the gateway from the environment."""
    settings = Settings.load()
    tokens = Tokens.from_settings(settings)
    sessions = SessionStore(kv.connect(settings), settings.session_idle_seconds)
    app = Flask(__name__)
    log = logging.getLogger("gateway")
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s - %(name)s - %(levelname)s - %(message)s"
    )
    upstream = requests.Session()

    @app.before_request
    def identify() -> tuple[Response, int] | None:
        g.started = time.perf_counter()
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            tokens.verify(token)
        except TokenRefused:
            return jsonify(error="Invalid token"), 401
        session = sessions.get(token)
        if session is None:
            return jsonify(error="Invalid session"), 401
        if session.user_type not in _ROLES:
            return jsonify(error="Forbidden"), 403
        g.session = session
        return None

    @app.route("/api/v1/doctors/<path:path>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def proxy(path: str) -> Response:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        headers.pop("Host", None)
        headers["X-User-ID"] = str(g.session.user_id)
        headers["X-User-Type"] = g.session.user_type
        headers["X-User-Email"] = g.session.email
        headers["X-Forwarded-For"] = request.remote_addr or ""
        headers["X-Request-ID"] = uuid.uuid4().hex
        answer = upstream.request(
            request.method,
            f"{settings.doctor_service_url}/api/v1/doctors/{path}",
            params=request.args,
            data=request.get_data(),
            headers=headers,
            timeout=10,
            allow_redirects=False,
        )
        kept = [(k, v) for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP]
        return Response(answer.content, answer.status_code, kept)

    @app.after_request
    def note(response: Response) -> Response:
        seconds = time.perf_counter() - g.started
        log.info(
            "%s %s %s %.1fms", request.method, request.path, response.status_code, seconds * 1000
        )
        return response

    return app
