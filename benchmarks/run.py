"""Measure gateways side by side: CPU per request, requests per second, latency, memory.

    python benchmarks/run.py [--rounds 5] [--seconds 5] [--connections 32] [--only NAME ...]

Each contender runs on the first core; the upstream, the stores and the load run on the others. All
take the same requests with the same session, in interleaved rounds.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import requests

from contenders import CONTENDERS, Contender
from gateline.local.engines import Valkey, running
from gateline.shared import kv
from gateline.shared.config import Settings
from gateline.shared.sessions import Session, SessionStore
from gateline.shared.tokens import Tokens

_HERE = Path(__file__).parent
_GATEWAY_CORE = "0"
_OTHER_CORES = f"1-{max(1, (os.cpu_count() or 2) - 1)}"
_PATH = "/api/v1/doctors/7"
_READY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Round:
    """What one contender did in one round."""

    contender: str
    requests: int
    failed: int
    cpu_us: float
    per_second: float
    p50_ms: float
    p99_ms: float
    memory_mb: float


def main() -> None:
    """Run the rounds, print the table, keep the figures."""
    options = _options()
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed for the load: install it (apt-get install wrk)")
    chosen = [one for one in CONTENDERS if not options.only or one.name in options.only]
    with _stage() as (environment, token):
        rounds = [
            _measure(one, environment, token, options)
            for number in range(options.rounds)
            for one in _rotated(chosen, number)
        ]
    _print_table(chosen, rounds)
    _keep(rounds)
    if any(one.failed for one in rounds):
        sys.exit("some requests failed: these figures mean nothing")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", nargs="*", choices=[one.name for one in CONTENDERS])
    return parser.parse_args()


def _rotated(contenders: list[Contender], number: int) -> list[Contender]:
    """Return the contenders in another order each round, so that nobody always goes first."""
    start = number % len(contenders)
    return contenders[start:] + contenders[:start]


@contextlib.contextmanager
def _stage() -> Iterator[tuple[dict[str, str], str]]:
    """Run the store and the upstream; give the environment of a contender and a session's token."""
    folder = Path(tempfile.mkdtemp(prefix="gateline-bench-"))
    upstream_port = _free_port()
    try:
        valkey = Valkey(folder / "valkey", folder / "run")
        with running(valkey):
            environment = _environment(valkey.url(), f"http://127.0.0.1:{upstream_port}")
            command = [sys.executable, str(_HERE / "upstream.py"), str(upstream_port)]
            with _process(command, _OTHER_CORES, environment, None, folder / "upstream.log"):
                _wait_until_answered(upstream_port, "")
                yield environment, _session_token(environment)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(redis_url: str, upstream: str) -> dict[str, str]:
    services = ("JWT", "DOCTOR", "PATIENT", "INSTITUTION", "ADMIN", "WEB", "API")
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "FLASK_ENV": "development",
        "SECRET_KEY": "a-key-for-benchmarks-only-0123456789abcdef",
        "DATABASE_URL": "postgresql://unused@127.0.0.1:1/unused",
        "REDIS_URL": redis_url,
        "METRICS_PORT": "0",
        **{f"{name}_SERVICE_URL": upstream for name in services},
    }


def _session_token(environment: dict[str, str]) -> str:
    settings = Settings.load(environment)
    token, claims = Tokens.from_settings(settings).issue(
        "access", 7, "dana@example.com", "doctor", "bench", 24 * 3600
    )
    session = Session(
        7, "dana@example.com", "doctor", "bench", "Dana", claims.iat, claims.exp, claims.exp
    )
    SessionStore(kv.connect(settings), 24 * 3600).put(token, session)
    return token


@contextlib.contextmanager
def _process(
    command: list[str], cores: str, environment: dict[str, str], folder: Path | None, log: Path
) -> Iterator[psutil.Process]:
    """Run a pinned process in a group of its own; end the group at the end."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["taskset", "-c", cores, *command],
            env=environment,
            cwd=folder,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            yield psutil.Process(process.pid)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _measure(
    contender: Contender, environment: dict[str, str], token: str, options: argparse.Namespace
) -> Round:
    port = _free_port()
    command = [word.format(port=port) for word in contender.command]
    with (
        tempfile.NamedTemporaryFile(suffix=".log") as log,
        _process(command, _GATEWAY_CORE, environment, contender.folder, Path(log.name)) as process,
    ):
        try:
            _wait_until_answered(port, token)
        except SystemExit:
            print(Path(log.name).read_text(), file=sys.stderr)
            raise
        _load(port, token, 1, options.connections)
        before = _cpu_seconds(process)
        output = _load(port, token, options.seconds, options.connections)
        cpu = _cpu_seconds(process) - before
        return _round(contender.name, output, cpu, _memory(process))


def _load(port: int, token: str, seconds: int, connections: int) -> str:
    command = [
        *("taskset", "-c", _OTHER_CORES, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"),
        *("--latency", "-H", f"Authorization: Bearer {token}", f"http://127.0.0.1:{port}{_PATH}"),
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _round(name: str, output: str, cpu: float, memory_mb: float) -> Round:
    answered = int(_figure(r"(\d+) requests in", output))
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+)", output)
    return Round(
        contender=name,
        requests=answered,
        failed=(int(failed[1]) if failed else 0)
        + (sum(int(count) for count in errors.groups()) if errors else 0),
        cpu_us=cpu / answered * 1e6,
        per_second=float(_figure(r"Requests/sec:\s+([\d.]+)", output)),
        p50_ms=_milliseconds(_figure(r"(?m)^\s+50%\s+(\S+)", output)),
        p99_ms=_milliseconds(_figure(r"(?m)^\s+99%\s+(\S+)", output)),
        memory_mb=memory_mb,
    )


def _figure(pattern: str, output: str) -> str:
    found = re.search(pattern, output)
    if found is None:
        sys.exit(f"wrk printed no {pattern!r}:\n{output}")
    return found[1]


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def _cpu_seconds(process: psutil.Process) -> float:
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        times = one.cpu_times()
        total += times.user + times.system
    return total


def _memory(process: psutil.Process) -> float:
    family = (process, *process.children(recursive=True))
    return sum(one.memory_info().rss for one in family) / 1e6


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_answered(port: int, token: str) -> None:
    url, headers = f"http://127.0.0.1:{port}{_PATH}", {"Authorization": f"Bearer {token}"}
    end = time.monotonic() + _READY_SECONDS
    while time.monotonic() < end:
        try:
            if requests.get(url, headers=headers, timeout=2).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.1)
    sys.exit(f"nothing answers on port {port}")


def _print_table(contenders: list[Contender], rounds: list[Round]) -> None:
    print(f"{'':16}{'CPU µs/request':>16}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'MB':>7}")
    best = None
    for one in contenders:
        mine = [entry for entry in rounds if entry.contender == one.name]
        medians = {
            field: statistics.median(getattr(entry, field) for entry in mine)
            for field in ("cpu_us", "per_second", "p50_ms", "p99_ms", "memory_mb")
        }
        best = best or medians["cpu_us"]
        print(
            f"{one.name:16}{medians['cpu_us']:16.1f}{medians['per_second']:12.0f}"
            f"{medians['p50_ms']:9.2f}{medians['p99_ms']:9.2f}{medians['memory_mb']:7.0f}"
            f"   x{medians['cpu_us'] / best:.1f}  {one.label}"
        )


def _keep(rounds: list[Round]) -> None:
    folder = _HERE / "results"
    folder.mkdir(exist_ok=True)
    path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.write_text(json.dumps([asdict(one) for one in rounds], indent=1), encoding="utf-8")
    print(f"\nAll rounds: {path}")


if __name__ == "__main__":
    main()
