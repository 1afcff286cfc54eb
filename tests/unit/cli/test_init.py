"""`gateline init`."""

from pathlib import Path

from click.testing import CliRunner

from gateline.cli.init import init

SHOP = "from flask import Flask\n\n\ndef create_app():\n    return Flask(__name__)\n"


def test_a_file_is_written_once(tmp_path: Path) -> None:
    """It names the app that was found; a second time it stays as it is."""
    (tmp_path / "shop.py").write_text(SHOP)

    first = CliRunner().invoke(init, [str(tmp_path)])
    path = tmp_path / "gateline.toml"
    written = path.read_text()
    path.write_text("# mine\n")
    second = CliRunner().invoke(init, [str(tmp_path)])

    assert first.exit_code == 0
    assert "shop:create_app, found in shop.py" in first.output
    assert 'app = "shop:create_app"' in written
    assert written.startswith("#:schema file:///")
    assert Path(written.splitlines()[0].removeprefix("#:schema file://")).is_file()
    assert (second.exit_code, path.read_text()) == (1, "# mine\n")
    assert "is there already" in second.output


def test_it_may_be_looked_at_first(tmp_path: Path) -> None:
    """Nothing is written then."""
    answer = CliRunner().invoke(init, [str(tmp_path), "--print"])

    assert "[[routes]]" in answer.output
    assert list(tmp_path.iterdir()) == []
