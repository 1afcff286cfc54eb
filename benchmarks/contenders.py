"""How each contender is prepared and started. All take the same request to the same upstream.

Those with policies do what Gateline's edge does for the same route, as far as they can: check the
token, hold a rate limit, write an access line as JSON, tell the upstream who asks. Bare ones only
pass the request on.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import configurations

_BIN = Path(sys.executable).parent
_PEERS = Path(__file__).parent / "peers"
_NODE = _PEERS / "node"


@dataclass(frozen=True, slots=True)
class Stage:
    """What a contender is told: its folder and port, the upstream's port, and the token in use.

    `environment` is that of the process, `secret` the key with which the token is signed.
    """

    folder: Path
    port: int
    upstream_port: int
    environment: Mapping[str, str]
    token: str
    secret: str


@dataclass(frozen=True, slots=True)
class Contender:
    """A gateway under test: `prepare` writes what it needs and returns its command line.

    `program` is the executable without which it cannot take part.
    """

    name: str
    label: str
    program: str
    prepare: Callable[[Stage], list[str]]

    @property
    def missing(self) -> bool:
        """Tell whether this machine lacks its program."""
        return shutil.which(self.program) is None


def _gateline(write: Callable[[Stage], str]) -> Callable[[Stage], list[str]]:
    def prepare(stage: Stage) -> list[str]:
        path = stage.folder / "gateline.toml"
        path.write_text(write(stage), encoding="utf-8")
        serve = [str(_BIN / "gateline"), "serve", "edge", "--config", str(path)]
        return ["env", "LOG_FORMAT=json", *serve, "--port", str(stage.port)]

    return prepare


def _configured(
    name: str, write: Callable[[Stage], str], *command: str
) -> Callable[[Stage], list[str]]:
    """Return a preparation that writes one file, whose path takes the place of `{file}`."""

    def prepare(stage: Stage) -> list[str]:
        path = stage.folder / name
        path.write_text(write(stage), encoding="utf-8")
        return [word.format(file=path, folder=stage.folder) for word in command]

    return prepare


def _flask(stage: Stage) -> list[str]:
    worker = ("--worker-class=gthread", "--workers=1", "--threads=8", "--log-level=warning")
    return [
        *(str(_BIN / "gunicorn"), *worker, f"--bind=127.0.0.1:{stage.port}"),
        *("--chdir", str(_PEERS), "flask_requests:create_app()"),
    ]


def _fastapi(stage: Stage) -> list[str]:
    return [
        *(str(_BIN / "uvicorn"), "--app-dir", str(_PEERS), "--factory", "--port", str(stage.port)),
        *("--no-access-log", "--log-level=warning", "fastapi_httpx:create_app"),
    ]


def _node(stage: Stage) -> list[str]:
    if not (_NODE / "node_modules").exists():
        install = ["npm", "install", "--silent", "--no-package-lock", "--no-audit", "--no-fund"]
        subprocess.run(install, check=True, cwd=_NODE)
    return ["node", str(_NODE / "proxy.js"), str(stage.port), str(stage.upstream_port)]


_ENVOY = ("--concurrency", "1", "--log-level", "error", "--disable-hot-restart")

CONTENDERS = (
    Contender(
        "edge",
        "Gateline: session, roles, rate limit, JSON access log, metrics, identity headers",
        str(_BIN / "gateline"),
        _gateline(configurations.gateline),
    ),
    Contender(
        "edge-bare",
        "Gateline: nothing but forwarding",
        str(_BIN / "gateline"),
        _gateline(configurations.gateline_bare),
    ),
    Contender(
        "envoy",
        "Envoy: jwt_authn, local rate limit, JSON access log, identity headers",
        str(_BIN / "envoy"),
        _configured(
            "envoy.json", configurations.envoy, str(_BIN / "envoy"), "-c", "{file}", *_ENVOY
        ),
    ),
    Contender(
        "envoy-bare",
        "Envoy: nothing but forwarding",
        str(_BIN / "envoy"),
        _configured(
            "envoy.json", configurations.envoy_bare, str(_BIN / "envoy"), "-c", "{file}", *_ENVOY
        ),
    ),
    Contender(
        "nginx-bare",
        "nginx: nothing but forwarding",
        "nginx",
        _configured("nginx.conf", configurations.nginx, "nginx", "-c{file}", "-p{folder}"),
    ),
    Contender(
        "haproxy-bare",
        "HAProxy: nothing but forwarding",
        "haproxy",
        _configured("haproxy.cfg", configurations.haproxy, "haproxy", "-f", "{file}", "-db"),
    ),
    Contender(
        "caddy-bare",
        "Caddy: nothing but forwarding",
        "caddy",
        _configured(
            *("Caddyfile", configurations.caddy, "caddy", "run"),
            *("--config={file}", "--adapter=caddyfile"),
        ),
    ),
    Contender(
        "traefik-bare",
        "Traefik: nothing but forwarding",
        str(_BIN / "traefik"),
        _configured(
            "traefik.yaml", configurations.traefik, str(_BIN / "traefik"), "--configFile={file}"
        ),
    ),
    Contender("node-bare", "Node, @fastify/http-proxy: nothing but forwarding", "npm", _node),
    Contender(
        "flask-requests",
        "Flask + requests, gunicorn gthread: session, roles, log, identity headers",
        str(_BIN / "gunicorn"),
        _flask,
    ),
    Contender(
        "fastapi-httpx",
        "FastAPI + httpx, uvicorn: session, roles, log, identity headers",
        str(_BIN / "uvicorn"),
        _fastapi,
    ),
)
