"""How each contender is started: command, environment, and what it is asked."""

import sys
from dataclasses import dataclass
from pathlib import Path

_BIN = Path(sys.executable).parent
_PEERS = Path(__file__).parent / "peers"


@dataclass(frozen=True, slots=True)
class Contender:
    """A gateway under test; `command` has `{port}` where its port goes."""

    name: str
    label: str
    command: tuple[str, ...]
    folder: Path | None = None


CONTENDERS = (
    Contender(
        "edge",
        "Gateline edge: session, roles, access log, metrics, identity headers",
        (str(_BIN / "gateline"), "serve", "edge", "--port", "{port}"),
    ),
    Contender(
        "flask-requests",
        "Flask + requests, gunicorn gthread: session, roles, log, identity headers",
        (
            str(_BIN / "gunicorn"),
            "--worker-class=gthread",
            "--workers=1",
            "--threads=8",
            "--log-level=warning",
            "--bind=127.0.0.1:{port}",
            "flask_requests:create_app()",
        ),
        _PEERS,
    ),
)
