"""`gateline check`: everything at once, and an exit code to build on."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateline.cli.check import check
from gateline.edge.upstream import Client

SMALL = '[services.shop]\nurl = "http://shop"\n[[routes]]\npath = "/api/shop/*"\nservice = "shop"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give where the file goes."""
    return tmp_path / "gateline.toml"


def _run(*arguments: object, **environ: str) -> Result:
    return CliRunner().invoke(check, [str(one) for one in arguments], env=environ)


def test_a_right_file(file: Path) -> None:
    """It is said how much is in it; the environment may name it."""
    file.write_text(SMALL)
    result = _run(GATELINE_CONFIG=str(file))

    assert result.exit_code == 0
    assert result.output == f"{file}: right; 1 service, 1 route, no warnings\n"


def test_a_wrong_file(file: Path) -> None:
    """Each problem has its line, in their order; the code is 2."""
    file.write_text(f"{SMALL}auth = 'sesion'\nrols = ['customer']\n")
    result = _run(file)

    assert result.exit_code == 2
    assert result.output.splitlines() == [
        f"{file}:6: routes[1].auth: 'sesion' is none of the choices; did you mean 'session'?",
        f"{file}:7: routes[1].rols: is no setting that is known here; did you mean 'roles'?",
        f"{file}: 2 errors, no warnings",
    ]


@pytest.mark.parametrize("text", ["[gateway\n", None])
def test_an_unreadable_file(file: Path, text: str | None) -> None:
    """Neither a missing file nor one that is no TOML is a crash."""
    if text is not None:
        file.write_text(text)
    result = _run(file)

    assert result.exit_code == 2
    assert result.output.startswith(f"{file}:1: ")


def test_warnings_fail_on_request(file: Path) -> None:
    """A doubt is shown, and with --strict it is a failure of its own kind."""
    file.write_text(f"{SMALL}roles = ['costumer']\n")

    assert _run(file).exit_code == 0
    result = _run(file, "--strict")
    assert result.exit_code == 1
    assert f"{file}:6: warning: routes[1].roles[1]: nobody has the role" in result.output


def test_what_only_the_edge_would_refuse_has_its_line_too(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The edge's own parts are made as for serving; what they raise is an error of the file."""

    def refuse(*_: object) -> None:
        raise ValueError("no such thing as a shop")

    monkeypatch.setattr(Client, "pool_for", refuse)
    file.write_text(f"# first\n{SMALL}")
    result = _run(file)

    assert result.exit_code == 2
    assert f"{file}:2: services.shop: cannot be built: no such thing as a shop" in result.output


def test_nothing_but_the_file_decides(file: Path) -> None:
    """A variable that is wrong here is no fault of the file."""
    file.write_text(SMALL)

    assert _run(file, DATABASE_URL="mysql://wrong", FLASK_PORT="no number").exit_code == 0


def test_the_schema_is_printed() -> None:
    """An editor can be given a file."""
    result = _run("--schema")

    assert result.exit_code == 0
    assert json.loads(result.output)["title"] == "gateline.toml"
