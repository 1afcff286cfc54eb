"""`gateline simulate retail`."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateline.cli.simulate import simulate
from gateline.sample.retail import simulation
from gateline.sample.retail.schemas import Ingested
from gateline.sample.retail.simulation import Progress

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Run:
    """Give the command in an empty folder, with the addresses that a platform would have left."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "FLASK_ENV": "testing",
        "SECRET_KEY": "a-secret-for-tests-of-at-least-32-bytes",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "EDGE_PROCESSOR_URL": "http://127.0.0.1:9",
        "SERVICE_KEY": "the-key-of-this-machine",
    }.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: CliRunner().invoke(simulate, ["retail", *arguments])


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, Any]]]:
    """Give a function that replaces the simulation by fixed steps and notes how it was asked."""

    def replace(*steps: Progress, then: type[BaseException] | None = None) -> list[dict[str, Any]]:
        asked: list[dict[str, Any]] = []

        def acted(report: object, start: datetime, **options: Any) -> Iterator[Progress]:
            asked.append({"start": start, **options})
            yield from steps
            if then is not None:
                raise then

        monkeypatch.setattr(simulation, "simulate", acted)
        return asked

    return replace


def step(minute: int, accepted: int = 0, opened: int = 0, problem: str | None = None) -> Progress:
    """Return a step at some minute past noon."""
    sent = Ingested(accepted=accepted, duplicates=0, alerts_opened=opened, alerts_closed=0)
    shown = datetime(2025, 3, 12, 12, minute)  # noqa: DTZ001 - only shown
    return Progress(shown, sent, problem, 5 if problem else 0)


def test_what_happens_is_shown(run: Run, play: Callable[..., list[dict[str, Any]]]) -> None:
    """A line for each step in which something happened, and a sum."""
    asked = play(step(1, 3, 1), step(2), step(3, 1), step(4, problem="It is away."))
    result = run("--speed", "120", "--for", "4", "--start", "12:00", "--seed", "7")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "12:01  3 events, 1 alert opened",
        "12:03  1 event",
        "12:04  5 waiting: It is away.",
        "Taken: 4 events. Opened: 1 alert.",
    ]
    [options] = asked
    assert (options["speed"], options["seconds"], options["seed"]) == (120, 4, 7)
    assert (options["start"].hour, options["start"].minute) == (12, 0)


def test_it_ends_when_nobody_takes_events(
    run: Run, play: Callable[..., list[dict[str, Any]]]
) -> None:
    """From the start: then something is wrong, and waiting would hide it."""
    play(step(1, problem="It answered with 403: A valid service key is needed."))
    result = run()
    assert result.exit_code == 1
    assert "takes no events. It answered with 403" in result.output


def test_ctrl_c_is_a_way_to_end(run: Run, play: Callable[..., list[dict[str, Any]]]) -> None:
    """With the sum of what was done."""
    play(step(1, 2), then=KeyboardInterrupt)
    result = run("--for", "0")
    assert result.exit_code == 0
    assert result.output.endswith("Taken: 2 events. Opened: 0 alerts.\n")


def test_without_a_platform_it_says_what_to_do(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start one, or name the address and the key."""
    monkeypatch.delenv("EDGE_PROCESSOR_URL")
    result = run()
    assert result.exit_code == 1
    assert "gateline up" in result.output
    assert "EDGE_PROCESSOR_URL" in result.output


@pytest.mark.parametrize("options", [("--speed", "0"), ("--for", "-1"), ("--start", "noon")])
def test_wrong_options_are_refused(run: Run, options: tuple[str, str]) -> None:
    """With exit code 2, as any wrong use."""
    assert run(*options).exit_code == 2
