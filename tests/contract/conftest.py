"""People and services that talk to a running platform over HTTP, as the documents show them."""

import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any

import pytest
import requests
from running_platform import RunningPlatform

from gateline.local.engines import wait_until

SECONDS = 15
START_SECONDS = 60
PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Account:
    """Somebody with an account and a session."""

    id: int
    email: str
    access_token: str
    refresh_token: str

    @property
    def bearer(self) -> dict[str, str]:
        """The header that shows who it is."""
        return {"Authorization": f"Bearer {self.access_token}"}


class Http:
    """Sends requests to the platform's public address; redirects are answers.

    It keeps no cookies unless told to: many tests share one, in any order.
    """

    def __init__(self, url: str, *, keeps_cookies: bool = False) -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()
        if not keeps_cookies:
            self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send one request to a path, or to a whole address."""
        url = path if path.startswith("http") else self._url + path
        return self._session.request(method, url, timeout=SECONDS, allow_redirects=False, **options)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


@dataclass(frozen=True)
class Caller:
    """A service with a key, calling the endpoints between services."""

    http: Http
    key: str

    def __call__(self, endpoint: str, body: Any, **headers: str) -> requests.Response:
        """Post a body with the key as document 1 shows it."""
        sent = {"X-Service-Key": self.key, **headers}
        return self.http("POST", f"/api/auth/{endpoint}", json=body, headers=sent)


@pytest.fixture(scope="module")
def http(platform: RunningPlatform) -> Iterator[Http]:
    """Give a client of the platform's public address."""
    client = Http(platform.url)
    yield client
    client.close()


@pytest.fixture(scope="module")
def new_caller(platform: RunningPlatform, http: Http) -> Callable[[str], Caller]:
    """Give a factory of calling services, each with a key made by the command."""

    def make(name: str) -> Caller:
        made = subprocess.run(
            [sys.executable, "-m", "gateline", "service-key", "create", name],
            cwd=platform.folder,
            env={**os.environ, **platform.env},
            check=True,
            capture_output=True,
            text=True,
        )
        return Caller(http, made.stdout.strip())

    return make


@pytest.fixture(scope="module")
def call(new_caller: Callable[[str], Caller]) -> Caller:
    """Give a calling service of this module's own, so that it has its own rate limit."""
    return new_caller(f"contract-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def log_in(http: Http) -> Callable[[Account], Account]:
    """Give a function that opens one more session for an account."""

    def enter(account: Account) -> Account:
        body = {"email": account.email, "password": PASSWORD}
        answer = http("POST", "/api/auth/login", json=body)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        return replace(
            account,
            id=int(found["user"]["id"]),
            access_token=found["access_token"],
            refresh_token=found["refresh_token"],
        )

    return enter


@pytest.fixture
def account(http: Http, log_in: Callable[[Account], Account]) -> Account:
    """Give a new account that has just logged in."""
    email = f"contract-{uuid.uuid4().hex}@example.com"
    body = {"email": email, "password": PASSWORD, "user_type": "patient"}
    assert http("POST", "/api/auth/register", json=body).status_code == 201
    return log_in(Account(0, email, "", ""))


@pytest.fixture
def is_alive(http: Http) -> Callable[[Account], bool]:
    """Give a function that tells whether the front door still accepts an access token."""

    def ask(account: Account) -> bool:
        answer = http("GET", "/api/v1/auth/validate", headers=account.bearer)
        assert answer.status_code in {200, 401}
        return answer.status_code == 200

    return ask


@pytest.fixture
def log_of(tmp_path: Path) -> Callable[[], str]:
    """Give a function that returns what the servers of this test have printed."""
    return lambda: (tmp_path / "server.log").read_text(errors="replace")


@pytest.fixture
def serve(platform: RunningPlatform, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Give a function that runs a server's command beside the platform and returns its address.

    Named settings replace the platform's; `{port}` in the command stands for a free one. With
    scheme "https" a certificate of an unknown authority is an answer.
    """
    servers: list[subprocess.Popen[bytes]] = []

    def run(*command: str, scheme: str = "http", **settings: str) -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        url = f"{scheme}://127.0.0.1:{port}"
        arguments = [part.format(port=port) for part in command]
        roomy = {"RATE_LIMIT_DEFAULT": "100000/minute"}
        with (tmp_path / "server.log").open("ab") as log:
            servers.append(
                subprocess.Popen(
                    [sys.executable, "-m", *arguments],
                    cwd=platform.folder,
                    env={**os.environ, **platform.env, **roomy, **settings},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    process_group=0,
                )
            )

        def answers() -> bool:
            assert servers[-1].poll() is None, (tmp_path / "server.log").read_text()
            try:
                return requests.get(f"{url}/livez", timeout=5).status_code in {200, 400}
            except requests.exceptions.SSLError:
                return True
            except requests.RequestException:
                return False

        assert wait_until(answers, seconds=START_SECONDS)
        return url

    yield run
    for server in servers:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


@pytest.fixture
def serve_api(serve: Callable[..., str]) -> Callable[..., str]:
    """Give a function that serves the API once more, with settings of its own."""

    def run(**settings: str) -> str:
        return serve("gateline", "serve", "api", "--port", "{port}", **settings)

    return run
