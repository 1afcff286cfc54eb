"""The data folder: its lock, its secrets, its errors."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateline.local.data_folder import DataFolder
from gateline.local.errors import LocalError

_DYING_HOLDER = """
import os, pathlib, sys
from gateline.local.data_folder import DataFolder

DataFolder(pathlib.Path(sys.argv[1])).__enter__()
os.kill(os.getpid(), 9)
"""


def test_a_held_folder_is_refused_to_others(tmp_path: Path) -> None:
    """The refusal is one line that names the holder's process and the way out."""
    with DataFolder(tmp_path / "data"):
        with pytest.raises(LocalError) as refusal, DataFolder(tmp_path / "data"):
            pass
        assert f"process {os.getpid()}" in str(refusal.value)
        assert "--data-dir" in str(refusal.value)
        assert "\n" not in str(refusal.value)


def test_the_lock_ends_with_the_block(tmp_path: Path) -> None:
    """After its holder is done the folder is free."""
    with DataFolder(tmp_path):
        pass
    with DataFolder(tmp_path):
        pass


def test_the_lock_ends_with_the_process(tmp_path: Path) -> None:
    """A holder that was killed leaves nothing to clean up."""
    subprocess.run([sys.executable, "-c", _DYING_HOLDER, str(tmp_path)], check=False)

    with DataFolder(tmp_path):
        pass


def test_the_folder_and_its_secrets_are_private(tmp_path: Path) -> None:
    """Nobody else may list the folder or read the secrets in it."""
    with DataFolder(tmp_path / "data") as folder:
        folder.write_env({"SECRET_KEY": "s"})
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder.path / "env").stat().st_mode) == 0o600


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    """Values with characters that shells and dotenv know come back unchanged."""
    values = {"A": 'x#y $z="1" ${B}', "DATABASE_URL": "postgresql://u:p%40ss@h/d?host=/a b"}
    with DataFolder(tmp_path) as folder:
        folder.write_env({"OLD": "1"})
        folder.write_env(values)
        assert folder.read_env() == values


def test_nothing_written_reads_as_nothing(tmp_path: Path) -> None:
    """A new folder has no secrets."""
    with DataFolder(tmp_path) as folder:
        assert folder.read_env() == {}


@pytest.mark.parametrize("value", ["it's", "a\nb", "a\\b"])
def test_a_value_that_the_file_cannot_hold_is_refused(tmp_path: Path, value: str) -> None:
    """Better no file than one that reads back differently; the message keeps the value secret."""
    with DataFolder(tmp_path) as folder, pytest.raises(LocalError, match="SECRET_KEY") as refusal:
        folder.write_env({"SECRET_KEY": value})
    assert value not in str(refusal.value)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    """A file in the way is told with what to do."""
    (tmp_path / "file").write_text("")
    folder = DataFolder(tmp_path / "file" / "data")

    with pytest.raises(LocalError, match="--data-dir or GATELINE_DATA_DIR"), folder:
        pass


def test_metrics_of_the_last_run_are_forgotten(tmp_path: Path) -> None:
    """Each run starts counting anew."""
    with DataFolder(tmp_path) as folder:
        folder.metrics.mkdir()
        (folder.metrics / "counter_1.db").write_text("old")
        folder.empty_metrics()
        assert list(folder.metrics.iterdir()) == []
