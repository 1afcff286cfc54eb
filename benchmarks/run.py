"""Measure gateways side by side: CPU per request, requests per second, latency, memory.

    python benchmarks/run.py [--rounds 5] [--seconds 5] [--connections 32] [--only NAME ...]
                             [--publish]

Each contender runs on the first core; the upstream, the stores and the load run on the others. All
take the same requests with the same session, in interleaved rounds. One whose program this machine
lacks is named and left out. `--publish` writes the table to docs/performance.md.
"""

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil
import requests

from contenders import CONTENDERS, Contender, Stage
from gateline.local.engines import Valkey, running
from gateline.shared import kv
from gateline.shared.config import Settings
from gateline.shared.sessions import Session, SessionStore
from gateline.shared.tokens import Tokens
from rig import free_port, process

_HERE = Path(__file__).parent
_GATEWAY_CORE = "0"
_OTHER_CORES = f"1-{max(1, (os.cpu_count() or 2) - 1)}"
_PATH = "/api/v1/doctors/7"
_READY_SECONDS = 15
_SECRET = "a-key-for-benchmarks-only-0123456789abcdef"  # noqa: S105 - of nobody
_PLAIN = "a plain build"
_PAGE = _HERE.parent / "docs" / "performance.md"
_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"


def _build_of_python() -> str:
    """Tell how this interpreter was built; the system's are optimised and do not say so."""
    if "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS")):
        return "an optimised build"
    return "the system's build" if sys.base_prefix == "/usr" else _PLAIN


_BUILD = _build_of_python()


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
    if _BUILD == _PLAIN:
        print(
            "This Python was built without --enable-optimizations: whatever is written in Python"
            " takes about a quarter more than with the image's or a distribution's.",
            file=sys.stderr,
        )
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed for the load: install it (apt-get install wrk)")
    chosen = [one for one in CONTENDERS if not options.only or one.name in options.only]
    for one in chosen:
        if one.missing:
            print(f"{one.name} does not take part: this machine has no {Path(one.program).name}")
    chosen = [one for one in chosen if not one.missing]
    with _stage() as stage:
        rounds = [
            _measure(one, stage, options)
            for number in range(options.rounds)
            for one in _rotated(chosen, number)
        ]
    table = _table(chosen, rounds)
    print(table)
    _keep(rounds)
    if options.publish:
        _publish(table, options)
    if any(one.failed for one in rounds):
        sys.exit("some requests failed: these figures mean nothing")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", nargs="*", choices=[one.name for one in CONTENDERS])
    parser.add_argument("--publish", action="store_true")
    return parser.parse_args()


def _rotated(contenders: list[Contender], number: int) -> list[Contender]:
    """Return the contenders in another order each round, so that nobody always goes first."""
    start = number % len(contenders)
    return contenders[start:] + contenders[:start]


@contextlib.contextmanager
def _stage() -> Iterator[Stage]:
    """Run the store and the upstream, and open a session."""
    folder = Path(tempfile.mkdtemp(prefix="gateline-bench-"))
    upstream_port = free_port()
    try:
        valkey = Valkey(folder / "valkey", folder / "run")
        with running(valkey):
            environment = _environment(valkey.url(), f"http://127.0.0.1:{upstream_port}")
            command = [sys.executable, str(_HERE / "upstream.py"), str(upstream_port)]
            with process(command, environment, folder, _OTHER_CORES):
                _wait_until_answered(upstream_port, "")
                token = _session_token(environment)
                yield Stage(folder, 0, upstream_port, environment, token, _SECRET)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(redis_url: str, upstream: str) -> dict[str, str]:
    services = ("JWT", "DOCTOR", "PATIENT", "INSTITUTION", "ADMIN", "WEB", "API")
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "FLASK_ENV": "development",
        "SECRET_KEY": _SECRET,
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


def _measure(contender: Contender, stage: Stage, options: argparse.Namespace) -> Round:
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix=f"{contender.name}-", dir=stage.folder))
    command = contender.prepare(replace(stage, port=port, folder=folder))
    log = folder / "output.log"
    with process(command, stage.environment, folder, _GATEWAY_CORE) as gateway:
        try:
            _wait_until_answered(port, stage.token)
        except SystemExit:
            print(log.read_text(), file=sys.stderr)
            raise
        _load(port, stage.token, 1, options.connections)
        before = _cpu_seconds(gateway)
        output = _load(port, stage.token, options.seconds, options.connections)
        cpu = _cpu_seconds(gateway) - before
        return _round(contender.name, output, cpu, _memory(gateway))


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


def _table(contenders: list[Contender], rounds: list[Round]) -> str:
    """Return the medians as a Markdown table, each compared with the first contender."""
    lines = [
        "| | CPU µs/request | times | requests/s | p50 ms | p99 ms | MB | what it does |",
        "|---|---|---|---|---|---|---|---|",
    ]
    first = None
    for one in contenders:
        mine = [entry for entry in rounds if entry.contender == one.name]
        cpu, rate, p50, p99, memory = (
            statistics.median(getattr(entry, field) for entry in mine)
            for field in ("cpu_us", "per_second", "p50_ms", "p99_ms", "memory_mb")
        )
        first = first or cpu
        lines.append(
            f"| {one.name} | {cpu:.1f} | {cpu / first:.2f} | {rate:,.0f} | {p50:.2f} | {p99:.2f} "
            f"| {memory:.0f} | {one.label} |"
        )
    return "\n".join(lines)


def _publish(table: str, options: argparse.Namespace) -> None:
    """Put the table into the page, between its marks."""
    page = _PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    told = (
        f"Median of {options.rounds} interleaved rounds of {options.seconds} s, "
        f"{options.connections} connections, Python {platform.python_version()} ({_BUILD}), "
        f"{os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}."
    )
    text = f"{before}{_BEGIN}\n\n{told}\n\n{table}\n\n{_END}{after}"
    _PAGE.write_text(text, encoding="utf-8")
    print(f"Written to {_PAGE}")


def _keep(rounds: list[Round]) -> None:
    folder = _HERE / "results"
    folder.mkdir(exist_ok=True)
    path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.write_text(json.dumps([asdict(one) for one in rounds], indent=1), encoding="utf-8")
    print(f"\nAll rounds: {path}")


if __name__ == "__main__":
    main()
