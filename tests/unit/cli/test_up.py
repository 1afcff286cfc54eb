"""`gateline up`: its options."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from gateline.cli.up import up
from gateline.local.plan import Options


def test_options_are_handed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is not given is left to the settings."""
    seen: list[Options] = []
    monkeypatch.setattr("gateline.local.up.up", seen.append)
    CliRunner().invoke(up, [])
    config = tmp_path / "gateline.toml"
    config.touch()
    options = ["--host", "::1", "--port", "0", "--data-dir", str(tmp_path), "--config", str(config)]
    CliRunner().invoke(up, options)

    assert seen == [Options(), Options(host="::1", port=0, data_dir=tmp_path, config=config)]


def test_a_file_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    """Whoever names a file wants that one, not the platform without a file."""
    answer = CliRunner().invoke(up, ["--config", str(tmp_path / "gateway.toml")])

    assert answer.exit_code == 2
    assert "does not exist" in answer.output
