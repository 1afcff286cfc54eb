"""The `gateline` command: quick, with help worth reading and exit codes that mean something."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import gateline
from gateline.cli import cli, main

COMMANDS = ("up", "serve", "db", "service-key")


def test_it_tells_its_version() -> None:
    """`--version` names the program and its version."""
    assert (
        CliRunner().invoke(cli, ["--version"]).output
        == f"gateline, version {gateline.__version__}\n"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_listed_and_has_help(command: str) -> None:
    """The list of commands leads to the help of each."""
    runner = CliRunner()

    assert f"\n  {command} " in runner.invoke(cli, ["--help"]).output
    shown = runner.invoke(cli, [command, "--help"])
    assert shown.exit_code == 0
    assert shown.output.startswith(f"Usage: cli {command}")


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["up", "--port", "70000"],
        ["up", "--port", "x"],
        ["serve"],
        ["db", "up"],
    ],
)
def test_wrong_use_is_exit_code_2(arguments: list[str]) -> None:
    """What click refuses and what we refuse have one code."""
    assert CliRunner().invoke(cli, arguments).exit_code == 2


def test_a_failure_that_a_person_can_mend_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, the exit code of the failure."""
    monkeypatch.setattr(sys, "argv", ["gateline", "serve", "wbe"])

    with pytest.raises(SystemExit) as ending:
        main()
    assert ending.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("gateline: There is no service 'wbe'; there are: ")


def test_a_wrong_configuration_names_every_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """All that is wrong is told at once."""
    monkeypatch.chdir(tmp_path)
    for name, value in (("DATABASE_URL", "mysql://x"), ("LOG_LEVEL", "LOUD"), ("SECRET_KEY", "s")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["gateline", "serve", "web"])

    with pytest.raises(SystemExit) as ending:
        main()
    assert ending.value.code == 2
    shown = capsys.readouterr().err
    assert "DATABASE_URL must be" in shown
    assert "LOG_LEVEL must be" in shown


def test_an_error_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """What no person at the terminal can mend must be found by us."""
    monkeypatch.setattr(sys, "argv", ["gateline", "serve", "web"])
    monkeypatch.setattr("gateline.local.services.service_named", lambda _name: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        main()


def test_showing_the_version_imports_no_framework() -> None:
    """The command starts at once because it imports what a subcommand needs only then."""
    script = (
        "import sys\n"
        "import gateline.cli.command\n"
        "print(sorted({'flask', 'pydantic', 'sqlalchemy', 'granian', 'rich'} & set(sys.modules)))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )

    assert shown.stdout == "[]\n"


def test_it_runs_as_a_module() -> None:
    """`python -m gateline` is the command, which is how the supervisor starts services."""
    shown = subprocess.run(
        [sys.executable, "-m", "gateline", "--version"], capture_output=True, check=True, text=True
    )

    assert gateline.__version__ in shown.stdout
