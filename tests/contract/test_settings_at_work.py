"""Settings that the documents name, with other values than the usual ones, in real processes."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from certificates import Authority
from running_platform import RunningPlatform

KEY = "another-key-for-tokens-of-forty-eight-characters"
ORIGINS = ("http://localhost:3000", "http://localhost:5173")
SECONDS = 15


@pytest.fixture
def other_auth(serve: Callable[..., str]) -> str:
    """Run the auth service with other settings than the platform's, and give its address."""
    return serve(
        *("gateline", "serve", "auth", "--port", "{port}"),
        JWT_SECRET_KEY=KEY,
        JWT_ALGORITHM="HS384",
        JWT_ACCESS_TOKEN_EXPIRE_MINUTES="5",
        CORS_ORIGINS=",".join(ORIGINS),
        LOGIN_RATE_LIMIT="10000/minute",
        METRICS_PORT="0",
    )


def test_tokens_and_origins(platform: RunningPlatform, other_auth: str) -> None:
    """Documents 3 and 4: JWT_SECRET_KEY and JWT_ALGORITHM sign, the minutes and origins hold."""
    email = "patient@example.com"
    body = {"email": email, "password": platform.accounts[email]}
    for origin in ORIGINS:
        answer = _log_in(other_auth, body, Origin=origin)
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    foreign = _ask(other_auth, "auth/login", body, Origin="https://evil.example")
    assert foreign.status_code == 403
    assert "Access-Control-Allow-Origin" not in foreign.headers

    head, claims, signature = answer.json()["access_token"].split(".")
    digest = hmac.new(KEY.encode(), f"{head}.{claims}".encode(), hashlib.sha384).digest()
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == signature
    assert _decoded(head)["alg"] == "HS384"
    assert _decoded(claims)["exp"] - _decoded(claims)["iat"] == 5 * 60
    assert answer.json()["expires_in"] == 5 * 60


@pytest.mark.parametrize(
    ("level", "told", "untold"),
    [
        ("DEBUG", {"DEBUG", "INFO", "WARNING"}, set()),
        ("INFO", {"INFO", "WARNING"}, {"DEBUG"}),
        ("WARNING", {"WARNING"}, {"DEBUG", "INFO"}),
        ("ERROR", set(), {"DEBUG", "INFO", "WARNING"}),
    ],
)
def test_log_level(
    serve: Callable[..., str],
    log_of: Callable[[], str],
    tmp_path: Path,
    level: str,
    told: set[str],
    untold: set[str],
) -> None:
    """Documents 2 and 3: LOG_LEVEL chooses what a service writes."""
    (tmp_path / "talkative.py").write_text(
        "import logging\n"
        "from gateline.shared.app import build_app\n"
        "def create_app():\n"
        '    app = build_app("talkative", service="talkative")\n'
        "    for name in ('DEBUG', 'INFO', 'WARNING', 'ERROR'):\n"
        "        logging.getLogger('talkative').log(getattr(logging, name), 'a word')\n"
        "    return app\n"
    )
    app = str(tmp_path / "talkative.py")
    serve("flask", "--app", app, "run", "--port", "{port}", LOG_LEVEL=level)
    for name in told | {"ERROR"}:
        assert f" - talkative - {name} - a word" in log_of()
    for name in untold:
        assert f" - {name} - " not in log_of()


def test_https(
    serve: Callable[..., str], platform: RunningPlatform, call: Any, tmp_path: Path
) -> None:
    """Documents 1 and 4: HTTPS for everything; with certificates nothing else is answered."""
    authority = Authority(tmp_path)
    pair = authority.issue("127.0.0.1")
    file = tmp_path / "gateline.toml"
    file.write_text(f'[gateway.tls]\ncertificate = "{pair}"\nkey = "{pair}"\n')
    edge = ("gateline", "serve", "edge", "--port", "{port}", "--config", str(file))
    url = serve(*edge, scheme="https", METRICS_PORT="0")
    key = {"X-Service-Key": call.key}
    with pytest.raises(requests.exceptions.SSLError):
        _ask(url, "auth/validate-token", {"token": "x"}, **key)
    with pytest.raises(requests.ConnectionError):
        _ask(url.replace("https", "http"), "auth/validate-token", {"token": "x"}, **key)
    believed = str(authority.path)
    answer = _ask(url, "auth/validate-token", {"token": "x"}, verify=believed, **key)
    assert (answer.status_code, answer.json()["error"]) == (401, "Invalid token")

    email = "patient@example.com"
    body = {"email": email, "password": platform.accounts[email]}
    cookie = _ask(url, "web/auth/patient/login", body, verify=believed).headers["Set-Cookie"]
    assert cookie.startswith("__Host-gateline_session=")
    assert "Secure" in cookie


def _ask(
    url: str, path: str, body: dict[str, str], *, verify: str | bool = True, **headers: str
) -> requests.Response:
    return requests.post(
        f"{url}/api/{path}", json=body, headers=headers, verify=verify, timeout=SECONDS
    )


def _log_in(url: str, body: dict[str, str], **headers: str) -> requests.Response:
    answer = _ask(url, "auth/login", body, **headers)
    assert answer.status_code == 200
    return answer


def _decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=="))
