"""Become another program that ends when its parent ends.

Run as a script, by path, so that it needs nothing but the standard library:
``launch.py PARENT SIGNAL UID GID COMMAND...`` (``-`` for UID and GID: stay who you are).
"""

import ctypes
import os
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def die_with_parent(signum: int, parent: int) -> None:
    """Ask the kernel to send `signum` when the parent ends; end at once when it already has.

    Linux only; elsewhere the next start finds and ends what was left (see `engines`).
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signum, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def main(arguments: Sequence[str]) -> None:
    """Drop to the account, tie the process to its parent, and become the command."""
    parent, signum, uid, gid, *command = arguments
    if uid != "-":
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    # After setuid: a change of credentials clears the parent-death signal (prctl(2)).
    die_with_parent(int(signum), int(parent))
    # The command is ours, built as a list; no shell takes part.
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
