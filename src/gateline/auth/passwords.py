"""Password hashes: argon2id for new ones, bcrypt understood, never more at once than planned.

Each hash costs 19 MiB and some 30 ms of a core (argon2id with m=19456, t=2, p=1, the OWASP
profile). A burst of logins therefore waits in a short line, and what does not fit into the line
is refused at once instead of eating memory and every other request's time.
"""

import logging
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pwdlib import PasswordHash
from pwdlib.exceptions import PwdlibError
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

from gateline.policy.reasons import OVERLOADED
from gateline.shared.errors import ApiError

_log = logging.getLogger(__name__)

# bcrypt reads no further; its libraries once cut silently, now they refuse.
_BCRYPT_BYTES: Final = 72


class _CutBcryptHasher(BcryptHasher):
    """Verify bcrypt hashes as the libraries that made them did: by the first 72 bytes."""

    def verify(self, password: str | bytes, hash: str | bytes) -> bool:  # noqa: A002 - its name
        """Tell whether the password is right; a password with NUL never is."""
        raw = password.encode() if isinstance(password, str) else password
        return b"\0" not in raw and super().verify(raw[:_BCRYPT_BYTES], hash)


class Passwords:
    """Hash and verify passwords, `in_flight` at a time with `waiting` more in line.

    A request that finds the line full, or waits `patience` seconds, is refused with 503
    `overloaded`. A hash needs `memory_kib` KiB and goes through them `passes` times.
    """

    def __init__(
        self,
        *,
        in_flight: int | None = None,
        waiting: int = 16,
        patience: float = 5.0,
        memory_kib: int = 19456,
        passes: int = 2,
    ) -> None:
        slots = in_flight or os.cpu_count() or 1
        self._slots = threading.BoundedSemaphore(slots)
        self._places = threading.BoundedSemaphore(slots + waiting)
        self._patience = patience
        argon2 = Argon2Hasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._hashes = PasswordHash((argon2, _CutBcryptHasher()))
        self._nobody = self._hashes.hash(secrets.token_hex(16))

    def hash(self, password: str) -> str:
        """Return the argon2id hash of a password."""
        with self._slot():
            return self._hashes.hash(password)

    def verify(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Tell whether the password is right, and the hash to store instead of an outdated one.

        Without a stored hash the answer is no, after the same work: the time must not tell
        which accounts exist.
        """
        with self._slot():
            if stored is None:
                self._hashes.verify(password, self._nobody)
                return False, None
            return self._verify(password, stored)

    def _verify(self, password: str, stored: str) -> tuple[bool, str | None]:
        try:
            return self._hashes.verify_and_update(password, stored)
        except (PwdlibError, ValueError):
            _log.warning("An account has a password hash of a kind that is not understood")
            self._hashes.verify(password, self._nobody)
            return False, None

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise _overloaded()
        try:
            if not self._slots.acquire(timeout=self._patience):
                raise _overloaded()
            try:
                yield
            finally:
                self._slots.release()
        finally:
            self._places.release()


def _overloaded() -> ApiError:
    return ApiError(reason=OVERLOADED, headers={"Retry-After": "1"})
