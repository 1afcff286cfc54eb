"""The documented line, JSON, rotation, and no secret in either."""

import io
import json
import logging
import multiprocessing
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateline.shared import logs
from gateline.shared.config import ConfigError, Settings

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoxfQ.c2lnbmF0dXJl"
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - gateline\.test - INFO - (.*)")


@pytest.fixture
def console(
    monkeypatch: pytest.MonkeyPatch, make_settings: Callable[..., Settings]
) -> Iterator[Callable[..., io.StringIO]]:
    """Give a function that configures logging and returns what the console shows."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level

    def configure(**variables: Any) -> io.StringIO:
        stream = io.StringIO()
        monkeypatch.setattr("sys.stderr", stream)
        logs.configure("test-service", make_settings(**variables))
        return stream

    yield configure
    for handler in [handler for handler in root.handlers if handler not in before]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    structlog.reset_defaults()


def test_text_has_the_documented_format(console: Callable[..., io.StringIO]) -> None:
    """Time, logger, level and message, separated by dashes."""
    stream = console()
    logging.getLogger("gateline.test").info("hello %s", "world")
    match = LINE.fullmatch(stream.getvalue().strip())
    assert match is not None
    assert match[1] == "hello world"


def test_json_is_one_object_a_line(console: Callable[..., io.StringIO]) -> None:
    """Structured lines carry service, level, logger and whatever was added."""
    stream = console(LOG_FORMAT="json")
    logging.getLogger("gateline.test").info("hello %s", "world", extra={"status": 200})
    line = json.loads(stream.getvalue())
    assert line["message"] == "hello world"
    assert (line["service"], line["level"], line["logger"]) == (
        "test-service",
        "info",
        "gateline.test",
    )
    assert line["status"] == 200
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_structlog_and_the_standard_library_end_in_the_same_place(
    console: Callable[..., io.StringIO], log_format: str
) -> None:
    """Bound values and the request's id are in the line of either."""
    stream = console(LOG_FORMAT=log_format)
    with structlog.contextvars.bound_contextvars(request_id="r-12345678"):
        structlog.get_logger("gateline.test").info("one", order=7)
        logging.getLogger("gateline.test").info("two")
    one, two = stream.getvalue().splitlines()
    assert "one" in one
    assert re.search(r'order(=|": )7', one)
    assert "r-12345678" in one
    assert "r-12345678" in two


@pytest.mark.parametrize(
    "text",
    [
        f"token was {JWT}",
        "Authorization: Bearer hunter2hunter2",
        "password=hunter2",
        "{'password': 'hunter2'}",
        '{"new_password": "hunter2 with blanks"}',
        "api_key=hunter2&x=1",
        "X-Service-Key: hunter2",
        "postgresql://user:hunter2@host/db",
        "redis://:hunter2@host/0",
        "Cookie: hunter2",
        f"access_token:{JWT}",
    ],
)
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_secrets_in_messages_are_taken_out(
    console: Callable[..., io.StringIO], text: str, log_format: str
) -> None:
    """Tokens, passwords, keys, cookies and credentials in URLs never reach a log."""
    stream = console(LOG_FORMAT=log_format)
    logging.getLogger("gateline.test").info(text)
    assert "hunter2" not in stream.getvalue()
    assert JWT not in stream.getvalue()
    assert logs.REDACTED in stream.getvalue()


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_secrets_in_tracebacks_and_extras_are_taken_out(
    console: Callable[..., io.StringIO], log_format: str
) -> None:
    """An exception's message and added values go through the same hands."""
    stream = console(LOG_FORMAT=log_format)
    extra = {"password": "hunter2", "headers": {"cookie": "hunter2", "host": "h"}}
    try:
        int(f"bad {JWT}")
    except ValueError:
        logging.getLogger("gateline.test").exception("failed", extra=extra)
    written = stream.getvalue()
    assert "ValueError" in written
    assert "Traceback" in written
    assert "hunter2" not in written
    assert JWT not in written


def test_ordinary_words_are_left_alone() -> None:
    """Reasons and routes that contain such words stay readable."""
    for text in ("reason=token_expired", "GET /api/auth/password-reset 200", "3 tokens issued"):
        assert logs.redact(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "a" * 500 + "password=hunter2",
        "old.password-token: hunter2",
        "sent 'password=hunter2",
        'password="hunter2 hunter2',
        f"x-y-{JWT.replace('c2ln', 'hunter2')}",
        f"aaaaaaaaa.{JWT.replace('c2ln', 'hunter2')}",
        "x" * (logs.MOST_CHARACTERS - 20) + " redis://me:hunter2hunter2hunter2@host/0",
    ],
)
def test_secrets_are_found_wherever_they_stand(text: str) -> None:
    """Behind a prefix, without their closing quote, and across the place where a text is cut."""
    assert "hunter2" not in logs.redact(text)
    assert logs.redact(text)[:3] == text[:3]


def _begins_with_a_repetition(parsed: Any) -> bool:
    operation, argument = parsed[0]
    if str(operation) in {"SUBPATTERN", "ATOMIC_GROUP"}:
        return _begins_with_a_repetition(argument[-1] if isinstance(argument, tuple) else argument)
    if str(operation) == "BRANCH":
        return any(map(_begins_with_a_repetition, argument[1]))
    return str(operation).endswith("_REPEAT")


def test_the_cost_of_redaction_does_not_grow_with_the_square_of_a_text() -> None:
    """A pattern that begins with a repetition starts anew at each character of a path of 'a's."""
    parse = re._parser.parse  # nothing public shows how a pattern begins
    assert _begins_with_a_repetition(parse(r"(?:b|([\w.-]*password))"))
    patterns = [found for found in vars(logs).values() if isinstance(found, re.Pattern)]
    searched = [found for found in patterns if found is not logs._SENSITIVE_NAME]  # matched whole
    assert len(searched) >= 5
    assert not any(_begins_with_a_repetition(parse(found.pattern)) for found in searched)


def test_a_record_is_redacted_once_for_all_its_lines(
    console: Callable[..., io.StringIO], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Console and file share the line: that costs what one of them costs."""
    stream = console(LOG_FILE=str(tmp_path / "one.log"))
    redacted: list[str] = []
    redact = logs.redact

    def counting(text: str) -> str:
        redacted.append(text)
        return redact(text)

    monkeypatch.setattr(logs, "redact", counting)
    logging.getLogger("gateline.test").info("password=hunter2")
    assert redacted.count("password=hunter2") == 1
    assert (tmp_path / "one.log").read_text() == stream.getvalue()
    assert "hunter2" not in stream.getvalue()


def test_the_level_is_respected(console: Callable[..., io.StringIO]) -> None:
    """LOG_LEVEL holds for both kinds of loggers."""
    stream = console(LOG_LEVEL="warning")
    logging.getLogger("gateline.test").info("quiet")
    structlog.get_logger("gateline.test").info("quiet")
    logging.getLogger("gateline.test").warning("loud")
    assert stream.getvalue().count("\n") == 1


def test_configuring_twice_logs_once(console: Callable[..., io.StringIO]) -> None:
    """Several apps in one process do not multiply the lines."""
    console()
    stream = console()
    logging.getLogger("gateline.test").info("once")
    assert stream.getvalue().count("once") == 1


def test_the_file_has_the_same_lines_and_rotates(
    console: Callable[..., io.StringIO], tmp_path: Path
) -> None:
    """LOG_FILE is made with its folder, and kept to its size."""
    path = tmp_path / "deep" / "service.log"
    stream = console(LOG_FILE=str(path), LOG_MAX_BYTES="2000", LOG_BACKUPS="2")
    for number in range(200):
        logging.getLogger("gateline.test").info("line %d", number)
    assert path.read_text().splitlines()[-1] == stream.getvalue().splitlines()[-1]
    names = sorted(file.name for file in path.parent.glob("service.log*"))
    assert names == ["service.log", "service.log.1", "service.log.2", "service.log.lock"]


def test_a_file_that_cannot_be_written_is_a_setting_to_change(
    console: Callable[..., io.StringIO], tmp_path: Path
) -> None:
    """The start fails in one line that names LOG_FILE."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="LOG_FILE must name a file that can be written"):
        console(LOG_FILE=str(tmp_path / "file" / "x.log"))


def _write_lines(path: str, name: str) -> None:
    handler = logs.SharedRotatingFile(path, maxBytes=4000, backupCount=50, encoding="utf-8")
    for number in range(200):
        handler.handle(logging.makeLogRecord({"msg": f"{name}-{number}"}))
    handler.close()


def test_processes_share_a_rotating_file_without_losing_lines(tmp_path: Path) -> None:
    """Several workers write and rotate one file."""
    path = tmp_path / "shared.log"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write_lines, args=(str(path), name)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    files = [file for file in tmp_path.glob("shared.log*") if file.suffix != ".lock"]
    lines = [line for file in files for line in file.read_text().splitlines()]
    assert sorted(lines) == sorted(f"{name}-{number}" for name in "ab" for number in range(200))
