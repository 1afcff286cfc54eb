"""The asynchronous gateway that a team writes first: a route, a session look-up, httpx.

It does what Gateline's edge does for the same route: verifies the token, looks the session up,
checks the role, injects identity and forwarding headers, drops hop-by-hop headers and writes a log
line.
"""

import logging
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, HTTPException, Request, Response

from gateline.shared import kv
from gateline.shared.config import Settings
from gateline.shared.sessions import Session, session_key
from gateline.shared.tokens import TokenRefused, Tokens

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"}
_ROLES = {"doctor", "institution", "admin"}


def create_app() -> FastAPI:
    """Build the gateway from the environment."""
    settings = Settings.load()
    tokens = Tokens.from_settings(settings)
    store = kv.connect_async(settings)
    upstream = httpx.AsyncClient(base_url=settings.doctor_service_url, timeout=10)
    log = logging.getLogger("gateway")
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s - %(name)s - %(levelname)s - %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        await upstream.aclose()

    app = FastAPI(lifespan=life)

    async def identify(request: Request) -> Session:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            tokens.verify(token)
        except TokenRefused:
            raise HTTPException(401, "Invalid token") from None
        text = await store.get(session_key(token))
        if text is None:
            raise HTTPException(401, "Invalid session")
        session = Session.decode(text)
        if session.user_type not in _ROLES:
            raise HTTPException(403, "Forbidden")
        return session

    @app.api_route("/api/v1/doctors/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    async def proxy(path: str, request: Request) -> Response:
        started = time.perf_counter()
        session = await identify(request)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        headers.pop("host", None)
        headers["X-User-ID"] = str(session.user_id)
        headers["X-User-Type"] = session.user_type
        headers["X-User-Email"] = session.email
        headers["X-Forwarded-For"] = request.client.host if request.client else ""
        headers["X-Request-ID"] = uuid.uuid4().hex
        answer = await upstream.request(
            request.method,
            f"/api/v1/doctors/{path}",
            params=request.query_params,
            content=await request.body(),
            headers=headers,
        )
        kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP}
        milliseconds = (time.perf_counter() - started) * 1000
        log.info(
            "%s %s %s %.1fms", request.method, request.url.path, answer.status_code, milliseconds
        )
        return Response(answer.content, answer.status_code, kept)

    return app
