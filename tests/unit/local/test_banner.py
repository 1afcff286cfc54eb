"""What is shown when a platform is ready."""

from pathlib import Path

import pytest

from gateline.local.banner import Facts, describe, render
from gateline.policy.cors import CorsPolicy
from gateline.shared.gateway import GatewayPlan
from gateline.shared.gateway.problems import FileProblem

FACTS = Facts(
    url="http://127.0.0.1:8000",
    metrics_url="http://127.0.0.1:9090/metrics",
    data=Path("/home/ada/.gateline"),
    database="/home/ada/.gateline/run/postgres",
    valkey="/home/ada/.gateline/run/valkey/valkey.sock",
    seconds=3.21,
    passwords={"patient@example.com": "abcd-efgh-jkmn-pqrs"},
    password_note="Shown this once.",
)


def test_it_tells_addresses_accounts_and_where_the_data_are() -> None:
    """Everything that a person needs first, in one block."""
    shown = render(FACTS, colour=False)

    for fact in (
        "is ready (3.2 s)",
        "http://127.0.0.1:8000/",
        "http://127.0.0.1:8000/health",
        "http://127.0.0.1:9090/metrics",
        "/home/ada/.gateline",
        "abcd-efgh-jkmn-pqrs",
        "Shown this once.",
        "Ctrl-C",
    ):
        assert fact in shown
    account = next(line for line in shown.splitlines() if "patient@example.com" in line)
    assert "abcd-efgh-jkmn-pqrs" in account


def test_without_colour_there_are_no_escapes() -> None:
    """A log file stays readable."""
    assert "\x1b" not in render(FACTS, colour=False)
    assert "\x1b" in render(FACTS, colour=True)


@pytest.mark.parametrize(("count", "words"), [(1, "1 warning ("), (2, "2 warnings (")])
def test_doubts_about_the_file_are_counted(count: int, words: str) -> None:
    """So that nobody misses what `gateline check` has to say."""
    path = Path("/home/ada/gateline.toml")
    doubt = FileProblem(path, 3, "routes[1].path", "is doubtful", warning=True)
    plan = GatewayPlan(path, "1234", {}, (), (), CorsPolicy(), (), 1, problems=(doubt,) * count)

    assert words in describe(plan)
