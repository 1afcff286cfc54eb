"""Whose files PostgreSQL's are, and its way to them."""

import os
import stat
from pathlib import Path

import pytest

from gateline.local import ownership
from gateline.local.errors import LocalError
from gateline.local.processes import Account

STRANGER = Account("stranger", 54321, 54321)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


def test_a_plain_user_runs_it_under_its_own_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing to switch to."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert ownership.database_account(tmp_path) is None


def test_root_uses_an_account_that_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No account is made; the first known one is used."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    known = {"nobody": Account("nobody", 65534, 65534)}
    monkeypatch.setattr(Account, "named", known.get)

    assert ownership.database_account(tmp_path / "new") == known["nobody"]


def test_root_without_any_account_is_told_the_ways_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another user, or another server."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(Account, "named", lambda _name: None)

    with pytest.raises(LocalError, match="start Gateline as another user, or set DATABASE_URL"):
        ownership.database_account(tmp_path / "new")


@as_root
def test_files_keep_their_owner(tmp_path: Path) -> None:
    """A cluster made under one account is run under it again."""
    os.chown(tmp_path, STRANGER.uid, STRANGER.gid)
    account = ownership.database_account(tmp_path)

    assert account is not None
    assert (account.uid, account.gid) == (STRANGER.uid, STRANGER.gid)


@as_root
def test_a_given_folder_is_private_to_its_new_owner(tmp_path: Path) -> None:
    """Nobody else may enter."""
    ownership.give(tmp_path / "run", STRANGER)
    found = (tmp_path / "run").stat()

    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (STRANGER.uid, 0o700)


def test_the_way_is_opened_to_pass_not_to_look(tmp_path: Path) -> None:
    """Only folders that bar the way change, and only by the right to pass."""
    closed, target = tmp_path / "closed", tmp_path / "closed" / "data"
    closed.mkdir(mode=0o700)

    changed = ownership.open_way(target, STRANGER)

    assert closed in changed
    assert stat.S_IMODE(closed.stat().st_mode) == 0o701
    assert ownership.open_way(target, STRANGER) == []


def test_our_own_account_needs_no_way(tmp_path: Path) -> None:
    """Without a change of account nothing is touched."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    assert ownership.open_way(closed / "data", None) == []
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
