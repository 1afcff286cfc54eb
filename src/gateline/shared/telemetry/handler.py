"""The log handler that keeps records for the control room, and the thread that writes them.

The thread starts with the first record, so that a process that forks before it serves (gunicorn's
`--preload`) has one in each child. Whatever happens to it, logging goes on.
"""

import logging
import os
import threading
import time
from typing import Any, Final

import redis
import structlog

from gateline.shared import kv, logs
from gateline.shared.config import Settings
from gateline.shared.telemetry.entries import ACCESS_FIELDS, MOST_CHARACTERS, Entry, iso
from gateline.shared.telemetry.writing import DROPPED, Backlog, add_entries, lost_entry

_MOST_WAITING: Final = 5_000
_MOST_AT_ONCE: Final = 500
_GATHER_SECONDS: Final = 0.2
_PAUSE_SECONDS: Final = 1.0
_CLOSE_SECONDS: Final = 2.0
_STORE_SECONDS: Final = 1.0

_formatter: Final = logging.Formatter()


class EntryHandler(logging.Handler):
    """Turns log records into entries and puts them into a backlog, never waiting."""

    def __init__(self, service: str, backlog: Backlog[Entry] | None = None) -> None:
        super().__init__()
        self.service = service
        self.backlog = backlog or Backlog[Entry](_MOST_WAITING)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record."""
        try:
            self.backlog.put(entry_of_record(record, self.service))
        except Exception:  # noqa: BLE001 # a record that cannot be shown must not break its caller
            self.handleError(record)


class WritingHandler(EntryHandler):
    """Writes the entries to Valkey from a thread of its own."""

    def __init__(self, service: str, settings: Settings) -> None:
        super().__init__(service)
        self._settings = settings
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._pid = 0
        self._missing = 0
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record and wake the thread."""
        super().emit(record)
        if self._pid != os.getpid():
            self._start()
        if not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """Write what is left, for a bounded time, and end the thread."""
        if self._thread is not None and self._pid == os.getpid():
            self._stop.set()
            self._wake.set()
            self._thread.join(_CLOSE_SECONDS)
            self._thread = None
        super().close()

    def _start(self) -> None:
        """Start the thread of this process; events of a parent may be held by nobody here."""
        self._pid = os.getpid()
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="gateline-telemetry", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        store = kv.connect(self._settings, timeout=_STORE_SECONDS, retries=0)
        try:
            while not self._stop.is_set():
                self._wake.wait()
                self._stop.wait(_GATHER_SECONDS)
                self._wake.clear()
                while self.backlog and self._write(store):
                    pass
        finally:
            store.close()

    def _write(self, store: redis.Redis) -> bool:
        """Write one batch; when the store is away, lose it and wait before the next."""
        batch = self.backlog.take(_MOST_AT_ONCE)
        self._miss(self.backlog.take_lost())
        told = [lost_entry(self.service, iso(time.time()), self._missing)] if self._missing else []
        try:
            with store.pipeline(transaction=False) as pipe:
                add_entries(pipe, [*batch, *told])
                pipe.execute()
        except (redis.RedisError, OSError):
            self._miss(len(batch))
            self._stop.wait(_PAUSE_SECONDS)
            return False
        self._missing = 0
        return True

    def _miss(self, entries: int) -> None:
        self._missing += entries
        DROPPED.labels(self.service).inc(entries)


def entry_of_record(record: logging.LogRecord, service: str) -> Entry:
    """Return the entry for a log record, free of secrets; a traceback follows its message."""
    known = structlog.contextvars.get_contextvars()
    structured = record.msg if isinstance(record.msg, dict) else {}
    entry: Entry = {
        "at": iso(record.created),
        "service": str(known.get("service", service)),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": logs.redact(_message(record, structured))[:MOST_CHARACTERS],
    }
    given = {**known, **record.__dict__, **structured}
    for name in ("request_id", *ACCESS_FIELDS):
        value = given.get(name)
        if value is not None:
            entry[name] = value if isinstance(value, (int, float)) else logs.redact(str(value))
    return entry


def _message(record: logging.LogRecord, structured: dict[str, Any]) -> str:
    text = _structured(structured) if structured else record.getMessage()
    if record.exc_info:
        text = f"{text}\n{_formatter.formatException(record.exc_info)}"
    return text


def _structured(event: dict[str, Any]) -> str:
    """Return a structlog event as one line: the event and its pairs."""
    shown = {"event", "level", "logger", "timestamp", "service", "request_id", "exception"}
    pairs = [
        f"{name}={value}" for name, value in event.items() if name not in shown and name[:1] != "_"
    ]
    trace = event.get("exception")
    line = " ".join([str(event.get("event", "")), *pairs])
    return f"{line}\n{trace}" if trace else line
