"""The text of the configuration that served last, for workers that start while the file is wrong.

It lives as long as the server that started the workers: a server that starts on a wrong file
refuses to, as it should.
"""

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Final, Self

VARIABLE: Final = "GATELINE_LAST_GOOD"
"""Tells workers in which file it is kept; set by the server for as long as it runs."""

_log = logging.getLogger(__name__)


class LastGood:
    """Keeps a text in a file; without a path it keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """Return the place that the server gave to its workers, if it gave one."""
        name = environ.get(VARIABLE)
        return cls(Path(name) if name else None)

    def keep(self, text: str | None) -> None:
        """Replace what is kept, at once and whole; None keeps nothing any more."""
        if self._path is None:
            return
        try:
            if text is None:
                self._path.unlink(missing_ok=True)
                return
            fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(self._path)
        except OSError as error:
            _log.warning("the configuration cannot be kept (%s)", type(error).__name__)

    def text(self) -> str | None:
        """Return what is kept, None when there is nothing."""
        if self._path is None:
            return None
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return self._path.read_text(encoding="utf-8")
        return None


@contextlib.contextmanager
def kept_for_workers(environ: MutableMapping[str, str]) -> Iterator[None]:
    """Give the workers of this server a place to keep a text in, until the server ends.

    Without a folder for temporary files nothing is kept.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="gateline-")
    except OSError as error:
        _log.warning("no configuration will be kept for new workers (%s)", type(error).__name__)
        yield
        return
    with folder as name:
        environ[VARIABLE] = str(Path(name) / "last-good.toml")
        try:
            yield
        finally:
            environ.pop(VARIABLE, None)
