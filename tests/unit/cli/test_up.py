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
    CliRunner().invoke(up, ["--host", "::1", "--port", "0", "--data-dir", str(tmp_path)])

    assert seen == [Options(), Options(host="::1", port=0, data_dir=tmp_path)]
