"""A container's command without a container: no privileges, a tree that it cannot write.

Namespaces of Linux do it, and need no rights: in one all that is mounted is made read-only apart
from the declared places, in a second one within it the user has the image's number and no
capability, so that nothing can be made writable again.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")
_ENTER = r"""
set -e
mount --bind "$PASSWD" /etc/passwd
for place in $WRITABLE; do mount --bind "$place" "$place"; done
while read -r _ _ _ _ place _; do
    case "$place" in /proc*|/sys*|/dev*) continue ;; esac
    case " $WRITABLE " in *" $place "*) continue ;; esac
    mount -o remount,bind,ro "$place"
done < /proc/self/mountinfo
unset WRITABLE PASSWD
exec unshare --user --map-user="$1" --map-group="$1" setpriv --no-new-privs "${@:2}"
"""


def contained(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    writable: Sequence[Path],
    output: Path,
    user: int = 10001,
) -> subprocess.Popen[bytes]:
    """Start a command in `folder` as the plain user `user`; only `writable` can be written.

    It sees nothing of our environment but PATH; `gateline` and `python` are those of the tests.
    """
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    # The image has an account of that number, and PostgreSQL wants one.
    accounts = output.with_name("passwd")
    accounts.write_text(f"{Path('/etc/passwd').read_text()}gateline:x:{user}:{user}::/:/bin/sh\n")
    ours = {"WRITABLE": " ".join(map(str, writable)), "PASSWD": str(accounts)}
    told = {"PATH": path, **ours, **environment}
    with output.open("ab") as written:
        return subprocess.Popen(
            [*_UNSHARE, "bash", "-c", _ENTER, "bash", str(user), *command],
            cwd=folder,
            env=told,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
        )
