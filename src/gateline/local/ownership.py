"""PostgreSQL refuses to run as root: the account it runs as then, and its way to the files."""

import os
import stat
from pathlib import Path

from gateline.local.errors import LocalError
from gateline.local.processes import Account

# Existing accounts only: starting a platform adds none to the machine.
_CANDIDATES = ("postgres", "embedded_postgres", "nobody")


def database_account(data: Path) -> Account | None:
    """Choose the account for PostgreSQL: None (ourselves) unless we are root.

    A data folder that exists keeps its owner, so that a later start finds its files readable.
    """
    if os.geteuid() != 0:
        return None
    if data.is_dir() and (owner := data.stat()).st_uid != 0:
        return Account(f"uid {owner.st_uid}", owner.st_uid, owner.st_gid)
    for name in _CANDIDATES:
        account = Account.named(name)
        if account:
            return account
    raise LocalError(
        "PostgreSQL does not run as root and this machine has no account `postgres` or `nobody`: "
        "start Gateline as another user, or set DATABASE_URL."
    )


def give(folder: Path, account: Account | None) -> None:
    """Make `folder` (0700) and hand it to `account`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account:
        os.chown(folder, account.uid, account.gid)


def open_way(target: Path, account: Account | None) -> list[Path]:
    """Let `account` pass through the folders that lead to `target`; return those changed.

    Only the right to pass (o+x) is added, none to list or read, and only where it is missing.
    """
    changed: list[Path] = []
    if account is None:
        return changed
    for folder in reversed(target.absolute().parents):
        mode = folder.stat()
        if mode.st_uid != account.uid and not mode.st_mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode.st_mode) | stat.S_IXOTH)
            changed.append(folder)
    return changed
