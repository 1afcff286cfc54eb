"""Serving a team's own application in a process of its own."""

import os
import signal
import subprocess
from pathlib import Path

import requests
from running_platform import children_of

from gateline.local.app_server import app_program
from gateline.local.engines import wait_until
from gateline.local.ports import reserve
from gateline.local.processes import start, stop
from gateline.policy.services import AppProgram

SHOP = """
import os
from flask import Flask, request

def create_app():
    app = Flask(__name__)

    @app.get("/where")
    def where():
        return {name: os.environ.get(name) for name in ("PORT", "GATELINE_SERVICE", "COLOUR")} | {
            "folder": os.getcwd()
        }

    return app
"""


def test_an_app_is_served_in_its_folder_with_its_variables(tmp_path: Path) -> None:
    """It learns its port and name; what the file sets for it goes before what we tell all."""
    (tmp_path / "shop.py").write_text(SHOP)
    app = AppProgram("shop:create_app", str(tmp_path), workers=2, env={"COLOUR": "green"})
    with reserve("127.0.0.1") as holder:
        port = holder.getsockname()[1]
        program = app_program("shop", app, port, drain=1, environment={"COLOUR": "red"})
        process = start(program)
        try:
            url = f"http://127.0.0.1:{port}/where"
            assert wait_until(lambda: _answer(url) != {}, seconds=20)
            found = _answer(url)
        finally:
            stop(process, program.stop_signal, seconds=5)

    assert found == {
        "PORT": str(port),
        "GATELINE_SERVICE": "shop",
        "COLOUR": "green",
        "folder": str(tmp_path),
    }
    assert process.returncode == 0


def test_a_worker_that_died_is_told_of_and_replaced(tmp_path: Path) -> None:
    """Out of memory or a crash in native code would otherwise leave no trace but a 502."""
    (tmp_path / "shop.py").write_text(SHOP)
    app = AppProgram("shop:create_app", str(tmp_path))
    log = tmp_path / "output.log"
    with reserve("127.0.0.1") as holder, log.open("wb") as output:
        port = holder.getsockname()[1]
        program = app_program("shop", app, port, drain=1, environment={})
        process = start(program, output=output.fileno())
        try:
            url = f"http://127.0.0.1:{port}/where"
            assert wait_until(lambda: _answer(url) != {}, seconds=20)
            (worker,) = children_of(process.pid)
            os.kill(worker, signal.SIGKILL)
            told = "A worker has died (killed by signal 9)"
            assert wait_until(lambda: told in log.read_text(), seconds=20)
            assert wait_until(lambda: _answer(url) != {}, seconds=20)
            assert worker not in children_of(process.pid)
        finally:
            stop(process, program.stop_signal, seconds=5)
    assert log.read_text().count("has died") == 1


def test_an_app_that_cannot_be_built_is_not_tried_again(tmp_path: Path) -> None:
    """Exit code 2 and one message: no worker is started for the same failure once more."""
    (tmp_path / "shop.py").write_text("1 / 0\n")
    app = AppProgram("shop:create_app", str(tmp_path))
    with reserve("127.0.0.1") as holder:
        program = app_program("shop", app, holder.getsockname()[1], drain=1, environment={})
        ended = subprocess.run(
            program.command,
            env=program.environment,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    assert ended.returncode == 2
    assert ended.stderr.count("ZeroDivisionError") == 1


def _answer(url: str) -> dict[str, str]:
    try:
        found: dict[str, str] = requests.get(url, timeout=2).json()
    except requests.ConnectionError:
        return {}
    return found
