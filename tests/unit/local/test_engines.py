"""The embedded engines: prepared, run, found again after a crash."""

import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateline.local.engines import Postgres, Valkey, running, socket_folder, wait_until
from gateline.local.errors import LocalError
from gateline.local.processes import start, stop


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a short folder that other accounts may pass."""
    path = Path(tempfile.mkdtemp(prefix="gateline-engine-"))
    yield path
    shutil.rmtree(path)


def test_a_cluster_survives_a_crash_and_a_record_of_a_stranger(folder: Path) -> None:
    """After kill -9, with the id on record now another process's, the data are there again.

    A container gives the same ids to other processes after a restart.
    """
    engine = Postgres(folder / "data", folder / "run")
    engine.prepare()
    server = start(engine.program)
    assert wait_until(engine.is_ready, seconds=30)
    with engine.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    server.send_signal(signal.SIGKILL)
    server.wait()
    for record in (folder / "data" / "postmaster.pid", folder / "run" / ".s.PGSQL.5432.lock"):
        record.write_text(re.sub(r"\A\d+", str(os.getpid()), record.read_text()))

    with running(engine), engine.connect() as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (7,)


def test_a_server_left_running_is_ended_before_the_next(folder: Path) -> None:
    """Two servers on one cluster would destroy it."""
    engine = Postgres(folder / "data", folder / "run")
    engine.prepare()
    left = start(engine.program)
    assert wait_until(engine.is_ready, seconds=30)

    Postgres(folder / "data", folder / "run").prepare()

    assert left.wait(5) == 0


def test_a_half_made_cluster_is_made_anew(folder: Path) -> None:
    """A kill during the first start leaves a folder that is thrown away."""
    (folder / "data.new").mkdir()
    (folder / "data.new" / "PG_VERSION").write_text("18\n")
    (folder / "data").mkdir()

    engine = Postgres(folder / "data", folder / "run")
    engine.prepare()

    assert not (folder / "data.new").exists()
    assert (folder / "data" / "global").is_dir()


def test_a_cluster_of_another_version_is_refused(folder: Path, postgres: Postgres) -> None:
    """The message says which version made it and what to do."""
    (folder / "data").mkdir()
    (folder / "data" / "PG_VERSION").write_text("9\n")

    with pytest.raises(LocalError, match="was made by PostgreSQL 9"):
        Postgres(folder / "data", folder / "run").prepare()


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    """The server's own last words are in the message."""
    engine = Postgres(folder / "data", folder / "run", options={"max_connections": "none"})

    with (
        pytest.raises(LocalError, match=r'postgres did not start.*"max_connections"'),
        running(engine),
    ):
        pass


def test_creating_a_database_twice_is_once(postgres: Postgres) -> None:
    """A second start finds its database."""
    first = postgres.create_database("once")

    assert postgres.create_database("once") == first


def test_the_database_knows_unicode(postgres: Postgres) -> None:
    """Upper and lower case work beyond ASCII on every machine."""
    with postgres.connect() as connection:
        assert connection.execute("SELECT lower('ÉÑ')").fetchone() == ("éñ",)


def test_settings_for_other_servers_do_not_reach_ours(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PGPORT and its kin in the environment change nothing."""
    monkeypatch.setenv("PGPORT", "7777")
    monkeypatch.setenv("PGDATABASE", "other")

    with running(Postgres(folder / "data", folder / "run")) as _:
        assert (folder / "run" / ".s.PGSQL.5432").exists()


def test_valkey_keeps_what_it_acknowledged_for_a_second(folder: Path) -> None:
    """After kill -9 the append-only file brings the data back."""
    import redis

    engine = Valkey(folder / "data", folder / "run")
    engine.prepare()
    server = start(engine.program)
    assert wait_until(engine.is_ready, seconds=30)
    with redis.Redis.from_url(engine.url()) as client:
        client.set("kept", "7")
        client.waitaof(1, 0, 5000)
    server.send_signal(signal.SIGKILL)
    server.wait()

    with running(engine), redis.Redis.from_url(engine.url()) as client:
        assert client.get("kept") == b"7"


def test_a_valkey_left_running_is_ended_before_the_next(folder: Path) -> None:
    """Two servers on one append-only file would spoil it."""
    engine = Valkey(folder / "data", folder / "run")
    engine.prepare()
    left = start(engine.program)
    try:
        assert wait_until(engine.is_ready, seconds=30)
        Valkey(folder / "data", folder / "run").prepare()
        assert left.wait(5) == 0
    finally:
        stop(left, signal.SIGKILL, seconds=5)


def test_nobody_else_may_reach_the_engines(postgres: Postgres, valkey: Valkey) -> None:
    """Neither listens on a port, and their sockets are their owner's."""
    assert valkey.socket.stat().st_mode & 0o077 == 0
    assert postgres.sockets.stat().st_mode & 0o077 == 0
    assert "listen_addresses=" in postgres.program.command
    port = valkey.program.command.index("--port")
    assert valkey.program.command[port + 1] == "0"


def test_a_path_too_long_for_a_socket_is_replaced() -> None:
    """Sockets have short names; a deep folder gets a short one of its own, always the same."""
    deep = Path("/var/" + "deep/" * 30)
    chosen = socket_folder(deep, "valkey.sock")

    assert len(str(chosen)) < 60
    assert chosen == socket_folder(deep, "valkey.sock")
    assert chosen != socket_folder(deep / "er", "valkey.sock")
    assert socket_folder(Path("/var/short"), "valkey.sock") == Path("/var/short")
