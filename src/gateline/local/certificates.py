"""The certificate and key of a listener: read whole, checked, kept in memory, watched for changes.

Workers read them from memory: one that is started while the files are being exchanged, or are
wrong, serves with the last good pair.
"""

import logging
import os
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateline.local.errors import LocalError

_LOOK_SECONDS: Final = 1.0
_log = logging.getLogger("gateline.local.certificates")

Signature = tuple[tuple[int, int, int], ...]


class Certificates:
    """A pair of PEM files, `certificate` with its chain and `key` (without a password).

    Raises LocalError when they cannot be used.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._content: tuple[bytes, ...] = ()
        self._kept: list[int] = []
        try:
            self.read()
        except (OSError, ssl.SSLError) as error:
            raise LocalError(f"TLS: {certificate} and {key} cannot be used: {error}") from error

    @property
    def paths(self) -> tuple[str, str]:
        """Where this process and those that it forks find the last good pair."""
        certificate, key = self._kept
        return _path(certificate), _path(key)

    def read(self) -> bool:
        """Take the files as they are now; tell whether they have changed.

        Raises OSError or ssl.SSLError when they cannot be used; then the last good pair stays.
        """
        content = tuple(file.read_bytes() for file in self._files)
        if content == self._content:
            return False
        kept = [_keep(one) for one in content]
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(_path(kept[0]), _path(kept[1]), _no_password)
        except BaseException:
            for number in kept:
                os.close(number)
            raise
        # The earlier pair stays open: a worker may be about to read it.
        self._content, self._kept = content, kept
        return True

    def watch(self, changed: Callable[[], None]) -> None:
        """Look each second, in a thread, and call `changed` after a good new pair was read."""
        threading.Thread(target=self._watch, args=(changed,), daemon=True).start()

    def _watch(self, changed: Callable[[], None]) -> None:
        tick = threading.Event()
        seen = settled = self._signature()
        while True:
            tick.wait(_LOOK_SECONDS)
            now = self._signature()
            # Acted upon when they have been the same for a second: both are in place then.
            if now == seen and now != settled:
                settled = now
                if self._reread():
                    changed()
            seen = now

    def _reread(self) -> bool:
        try:
            return self.read()
        except (OSError, ssl.SSLError) as error:
            names = " and ".join(map(str, self._files))
            _log.error("%s cannot be used, the pair before is served: %s", names, error)
            return False

    def _signature(self) -> Signature | None:
        try:
            states = [file.stat() for file in self._files]
        except OSError:
            return None
        return tuple((state.st_mtime_ns, state.st_size, state.st_ino) for state in states)


def _keep(content: bytes) -> int:
    number = os.memfd_create("gateline-tls")
    os.write(number, content)
    return number


def _path(number: int) -> str:
    return f"/proc/self/fd/{number}"


def _no_password() -> str:
    """Answer for a key that wants a password, instead of asking on the terminal."""
    return ""
