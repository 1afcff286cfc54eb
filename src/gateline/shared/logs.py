"""Logs: the documented text format or JSON, on the console and in a rotating file, no secrets.

Everything goes through the standard library's `logging`; structlog formats it and carries what is
bound to the current request (`request_id`, `service`) into every record.
"""

import contextlib
import fcntl
import logging
import os
import re
import sys
from collections.abc import Sequence
from logging.handlers import RotatingFileHandler
from typing import Any, Final

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from gateline.shared.config import ConfigError, Problem, Settings

TEXT_FORMAT: Final = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
REDACTED: Final = "[redacted]"
MOST_CHARACTERS: Final = 32_768

_SENSITIVE: Final = (
    r"(?:password|passwd|pwd|secret|token|jwt|authorization|cookie|credentials?"
    r"|(?:api|service|secret|private|access|signing)[_-]?keys?)"
)
_SENSITIVE_NAME: Final = re.compile(rf"[\w.-]*{_SENSITIVE}", re.IGNORECASE)
# Clients choose what is searched here (a path is logged), so no pattern may try anew from every
# place what it has tried from the one before. Hence this one begins only where a run of these
# characters does, finds its start there once, and never gives back what it took.
_JWT: Final = re.compile(r"(?<![\w-])((?>[\w-]*?\b(?=eyJ)))[\w-]{8,}+\.[\w-]++\.[\w-]*+")
_SCHEME: Final = re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE)
_IN_URL: Final = re.compile(r"(\w://[^\s/:@]*:)[^\s/@]+@")
_PAIR: Final = re.compile(
    # A text within quotes that was cut off before the closing one is a secret all the same.
    rf"""({_SENSITIVE}["']?\s*[=:]\s*)(?!\[redacted)"""
    r"""("[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z)|[^\s,;&)}\]"']+)""",
    re.IGNORECASE,
)
_LAST_WORD: Final = re.compile(r"(?<!\S)\S*+\Z")
_CUT: Final = "[cut]"
# Already in the message of an access line, or the same for every line of a process.
_NOT_IN_TEXT: Final = frozenset({"method", "path", "status", "duration_ms", "route", "service"})
_LEFT_BY_OTHERS: Final = frozenset({"message", "asctime"})
_OURS: Final = "_gateline"
_LINE: Final = "_gateline_line"


def redact(text: str) -> str:
    """Return the text without tokens, passwords, keys, cookies and credentials in URLs.

    A text of more than MOST_CHARACTERS is cut at the end of a word: half a secret looks like none.
    """
    if len(text) > MOST_CHARACTERS:
        text = _LAST_WORD.sub(_CUT, text[:MOST_CHARACTERS])
    text = _JWT.sub(rf"\1{REDACTED}", text)
    text = _SCHEME.sub(rf"\1 {REDACTED}", text)
    text = _IN_URL.sub(rf"\1{REDACTED}@", text)
    return _PAIR.sub(lambda match: match[1] + _hidden(match[2]), text)


def configure(service: str, settings: Settings, *, also: Sequence[logging.Handler] = ()) -> None:
    """Send all records of this process to stderr and, with LOG_FILE, to a rotating file.

    `also` are more handlers that get them. Calling it again replaces, and closes, what an earlier
    call set up; handlers of others stay.
    """
    formatter = _formatter(service, settings.log_format)
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if settings.log_file is not None:
        handlers.append(_file_handler(settings))
    _replace_handlers([*handlers, *also], formatter)
    root = logging.getLogger()
    root.setLevel(settings.log_level)
    # It would choose INFO by itself, under `flask run` with LOG_LEVEL=WARNING as well.
    logging.getLogger("werkzeug").setLevel(settings.log_level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared_processors(service),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def write_lines(lines: str) -> None:
    """Write whole lines, formatted by the caller and free of secrets, where records go.

    For a process that logs more lines than it could afford to format one by one.
    """
    for handler in logging.getLogger().handlers:
        if not hasattr(handler, _OURS) or not isinstance(handler, logging.StreamHandler):
            continue
        with handler.lock or contextlib.nullcontext():
            if isinstance(handler, SharedRotatingFile):
                handler.make_room(lines)
            handler.stream.write(lines)
            handler.flush()


class SharedRotatingFile(RotatingFileHandler):
    """A rotating file that several processes write: one rotates under a lock, the others follow."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, to the new file when another process has rotated."""
        if self._was_moved():
            self._reopen()
        super().emit(record)

    def make_room(self, text: str) -> None:
        """Rotate when the text would make the file too large; follow another's rotation."""
        if self.stream is None or self._was_moved():
            self._reopen()
        position = self.stream.tell() if self.stream is not None else 0
        if self.maxBytes > 0 and position + len(text) >= self.maxBytes:
            self.doRollover()

    def doRollover(self) -> None:  # noqa: N802 # the standard library's name
        """Rotate, unless another process just did."""
        with open(f"{self.baseFilename}.lock", "w", encoding="ascii") as lock:  # noqa: PTH123 # str
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self._was_moved():
                self._reopen()
            else:
                super().doRollover()

    def _was_moved(self) -> bool:
        if self.stream is None:
            return False
        try:
            there = os.stat(self.baseFilename)  # noqa: PTH116 # str
        except FileNotFoundError:
            return True
        here = os.fstat(self.stream.fileno())
        return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino)

    def _reopen(self) -> None:
        if self.stream is not None:
            self.stream.close()
        self.stream = self._open()


class OncePerRecord(structlog.stdlib.ProcessorFormatter):
    """Formats, and so redacts, a record for the first of the handlers that share it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        kept: tuple[logging.Formatter, str] | None = getattr(record, _LINE, None)
        if kept is None or kept[0] is not self:
            kept = (self, super().format(record))
            setattr(record, _LINE, kept)
        return kept[1]


def _file_handler(settings: Settings) -> logging.Handler:
    path = settings.log_file
    assert path is not None  # noqa: S101 # the caller asked
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return SharedRotatingFile(
            path,
            maxBytes=settings.log_max_bytes,
            backupCount=settings.log_backups,
            encoding="utf-8",
        )
    except OSError as error:
        reason = f"must name a file that can be written ({error.strerror})"
        raise ConfigError([Problem("LOG_FILE", reason)]) from error


def _replace_handlers(handlers: list[logging.Handler], formatter: logging.Formatter) -> None:
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if hasattr(handler, _OURS)]:
        root.removeHandler(old)
        old.close()
    for handler in handlers:
        setattr(handler, _OURS, True)
        handler.setFormatter(formatter)
        root.addHandler(handler)


def _formatter(service: str, log_format: str) -> logging.Formatter:
    renderers: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if log_format == "json":
        renderers += [
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    else:
        renderers.append(_render_text)
    return OncePerRecord(
        fmt="%(message)s" if log_format == "json" else TEXT_FORMAT,
        processors=renderers,
        foreign_pre_chain=[*_shared_processors(service), _add_extras, _redact],
        use_get_message=True,
    )


def _shared_processors(service: str) -> list[Processor]:
    def add_service(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event.setdefault("service", service)
        return event

    return [
        structlog.contextvars.merge_contextvars,
        add_service,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.format_exc_info,
        _redact,
    ]


def _add_extras(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Take over what was added to a record, except what other formatters leave on it."""
    extras = {"_record": event["_record"]}
    structlog.stdlib.ExtraAdder()(logging.getLogger(), "", extras)
    kept = {name: value for name, value in extras.items() if name not in _LEFT_BY_OTHERS}
    return {**kept, **event}


def _redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {name: _clean(name, value) for name, value in event.items()}


def _clean(name: str, value: Any) -> Any:
    if name.startswith("_") or value is None or isinstance(value, (bool, int, float)):
        return value
    if _SENSITIVE_NAME.fullmatch(name):
        return REDACTED
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {str(key): _clean(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean("", item) for item in value]
    return redact(str(value))


def _render_text(_: WrappedLogger, __: str, event: EventDict) -> str:
    message = str(event.pop("event", ""))
    exception = event.pop("exception", None)
    for name in ("timestamp", "level", "logger", "stack"):
        event.pop(name, None)
    pairs = [f"{name}={value}" for name, value in event.items() if name not in _NOT_IN_TEXT]
    line = " ".join([message, *pairs])
    return f"{line}\n{exception}" if exception else line


def _hidden(value: str) -> str:
    quote = value[:1] if value[:1] in {'"', "'"} else ""
    return f"{quote}{REDACTED}{quote}"
