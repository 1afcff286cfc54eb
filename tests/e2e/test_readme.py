"""The README's own Flask app behind the gate: its blocks are saved, its commands run, in order."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest
import requests
from running_platform import RunningPlatform, children_of, start_platform

from gateline.local.engines import wait_until

README = Path(__file__).parents[2] / "README.md"
_SECTION = re.compile(r"^## Your own Flask app behind it\n(.+?)^## ", re.DOTALL | re.MULTILINE)
_BLOCK = re.compile(r"^```(\w+)\n(.+?)^```$", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
_END = "--- end of the command ---"
_ECHO = """
from flask import Flask, request

app = Flask(__name__)


@app.get("/echo")
def echo():
    return dict(request.headers)
"""
_ECHO_ROUTE = """
[services.echo]
app = "echo:app"

[[routes]]
path = "/api/echo/*"
service = "echo"
strip_prefix = true
"""


@dataclass(frozen=True)
class Shown:
    """A command that the README shows, with what it says is printed."""

    command: str
    output: str


def _section() -> list[tuple[str, str]]:
    """Return the blocks of the section with their kinds."""
    section = _SECTION.search(README.read_text(encoding="utf-8"))
    assert section is not None
    return _BLOCK.findall(section[1])


def _commands(block: str) -> list[Shown]:
    return [Shown(command, output) for command, output in _COMMAND.findall(block)]


class Shell:
    """One shell for all commands, so that what one of them sets is there for the next."""

    def __init__(self, folder: Path) -> None:
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.port = "8000"
        self._process = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env={**os.environ, "PATH": programs, "GATELINE_DATA_DIR": str(folder / "data")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> str:
        """Return what a command prints."""
        writing, reading = self._pipes()
        writing.write(f"{command.replace('localhost:8000', f'localhost:{self.port}')}\n")
        writing.write(f"echo; echo '{_END}'\n")
        writing.flush()
        lines = []
        while (line := reading.readline()) and line.strip() != _END:
            lines.append(line)
        return "".join(lines)

    def close(self) -> None:
        """End it."""
        writing, reading = self._pipes()
        writing.close()
        self._process.wait(10)
        reading.close()

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Give a short folder of the reader's own."""
    path = Path(tempfile.mkdtemp(prefix="gateline-readme-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def shell(folder: Path) -> Iterator[Shell]:
    """Give the reader's shell."""
    one = Shell(folder)
    yield one
    one.close()


@pytest.fixture(scope="module")
def platform(folder: Path, shell: Shell) -> Iterator[RunningPlatform]:
    """Save the first blocks as files, check them, and start the platform as the README says."""
    blocks = _section()
    (folder / "shop.py").write_text(next(text for kind, text in blocks if kind == "python"))
    (folder / "gateline.toml").write_text(next(text for kind, text in blocks if kind == "toml"))
    *before, up = _commands(next(text for kind, text in blocks if kind == "console"))
    for shown in before:
        _compare(shell.run(shown.command), shown)
    *settings, program, command = up.command.split()
    assert (program, command) == ("gateline", "up")
    running = start_platform(folder, environment=dict(one.split("=", 1) for one in settings))
    shell.port = running.url.rpartition(":")[2]
    yield running
    running.stop()


def test_the_readme_is_followed(shell: Shell, platform: RunningPlatform) -> None:
    """Login, 401 without it, 403 as somebody else, 429 after the limit: all as it is shown."""
    _, first, second = [text for kind, text in _section() if kind == "console"]
    four_lines, two_more = [text for kind, text in _section() if kind == "toml"]
    for shown in _commands(first):
        _compare(shell.run(shown.command), shown)

    _save(platform, four_lines + two_more)

    for shown in _commands(second):
        _compare(shell.run(shown.command), shown)


def test_the_banner_shows_the_app(platform: RunningPlatform) -> None:
    """And that no sample service runs: the file asks for none."""
    output = platform.output

    assert "shop:create_app at http://127.0.0.1:" in output
    assert "gateline.toml (version " in output
    assert "clinic" not in output
    health = requests.get(f"{platform.url}/health", timeout=10).json()
    assert {"auth", "web", "api", "shop"} <= set(health["upstreams"])
    assert not {"doctors", "events", "users"} & set(health["upstreams"])


def test_an_app_may_be_added_and_is_told_what_explain_says(
    folder: Path, shell: Shell, platform: RunningPlatform
) -> None:
    """A running platform serves it; the headers that it gets are those that were explained."""
    (folder / "echo.py").write_text(_ECHO)
    _save(platform, (folder / "gateline.toml").read_text() + _ECHO_ROUTE)
    login = {"email": "customer@example.com", "password": "try-it-out-once"}
    session = requests.post(f"{platform.url}/api/v1/auth/login", json=login, timeout=10).json()
    sent = {"User-Agent": "me", "Accept": "a/b", "Accept-Encoding": "br", "X-User-Type": "admin"}
    url = f"{platform.url}/api/echo/echo"
    bearer = {"Authorization": f"Bearer {session['access_token']}", "Connection": "close"}
    assert wait_until(
        lambda: requests.get(url, headers={**sent, **bearer}, timeout=10).status_code == 200,
        seconds=30,
    )

    got = requests.get(url, headers={**sent, **bearer}, timeout=10).json()
    options = " ".join(f"-H '{name}: {value}'" for name, value in sent.items())
    explained = json.loads(shell.run(f"gateline explain GET {url} --as customer {options} --json"))

    forwarded = explained["forwarded"]
    told = {name: value for name, value in forwarded["headers"] if "(" not in value}
    seen = {name.lower(): value for name, value in got.items()}
    assert (forwarded["method"], forwarded["path"]) == ("GET", "/echo")
    assert {name.lower() for name, _ in forwarded["headers"]} == set(seen)
    assert {**told, "x-user-id": seen["x-user-id"]}.items() <= seen.items()
    assert dict(forwarded["headers"])["authorization"] == "Bearer (the caller's token)"


def test_an_app_that_crashes_is_started_again(platform: RunningPlatform) -> None:
    """By the platform, while everything else goes on."""
    servers = [
        pid
        for pid, command in children_of(platform.process.pid).items()
        if "shop:create_app" in command
    ]
    assert len(servers) == 1
    os.kill(servers[0], signal.SIGKILL)

    def is_back() -> bool:
        commands = children_of(platform.process.pid)
        health = requests.get(f"{platform.url}/health", timeout=10).json()
        return (
            any("shop:create_app" in one for pid, one in commands.items() if pid not in servers)
            and health["upstreams"]["shop"]["status"] == "healthy"
        )

    assert wait_until(is_back, seconds=30)
    assert "shop has died (killed by SIGKILL)" in platform.output


def test_sighup_makes_everything_be_read_anew(platform: RunningPlatform) -> None:
    """It ends nothing: no terminal was closed."""
    before = len(platform.output)
    platform.process.send_signal(signal.SIGHUP)

    assert wait_until(
        lambda: "Reading the gateway's file anew" in platform.output[before:], seconds=10
    )
    assert requests.get(f"{platform.url}/livez", timeout=10).status_code == 200


def _save(platform: RunningPlatform, text: str) -> None:
    """Save the gateway's file and return when the edge serves it."""
    before = _version(platform)
    (platform.folder / "gateline.toml").write_text(text)
    assert wait_until(lambda: _version(platform) != before, seconds=20)


def _version(platform: RunningPlatform) -> str:
    health = requests.get(f"{platform.url}/health", timeout=10).json()
    return str(health["config"]["version"])


def _compare(printed: str, shown: Shown) -> None:
    """Hold what was printed against what is shown, in which `…` stands for anything."""
    expected = re.sub(r"\n+", "\n", shown.output).strip()
    printed = re.sub(r"\n+", "\n", printed).strip()
    pattern = ".*".join(re.escape(part) for part in expected.split("…"))
    assert re.fullmatch(pattern, printed, re.DOTALL), f"$ {shown.command}\n{printed}"
