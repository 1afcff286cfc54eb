"""The master asks its workers about their listening sockets."""

import socket
import threading
from collections.abc import Iterator

import pytest

from gateline.local.worker_link import WorkerLink, _answer


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Give a socket that listens on a shared port."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(("127.0.0.1", 0))
    yield made
    made.close()


def test_a_worker_is_asked(listener: socket.socket) -> None:
    """It says when it listens, steers, lets go, and tells when it has closed."""
    link = WorkerLink()
    port = listener.getsockname()[1]
    worker = threading.Thread(target=_answer, args=(link._theirs, port, []))
    worker.start()
    assert not link.listens(0.1)
    assert link.has_drained()
    listener.listen()
    assert link.listens(5)
    assert link.steer(0, 1)
    assert link.let_go()
    assert not link.has_closed()
    listener.close()
    assert link.has_closed()
    link.close()
    worker.join()


def test_the_first_word_of_a_worker_is_no_answer(listener: socket.socket) -> None:
    """Nobody waited for the workers that were there from the start."""
    listener.listen()
    link = WorkerLink()
    worker = threading.Thread(target=_answer, args=(link._theirs, listener.getsockname()[1], []))
    worker.start()
    assert link.steer(0, 1)
    assert not link.has_closed()
    link.close()
    worker.join()


class Draining:
    """An application that has something to say to its clients first."""

    drained = False
    succeeded = False


def test_an_application_may_take_its_time_to_drain(listener: socket.socket) -> None:
    """One that has nothing to say, or is not loaded yet, takes none."""
    listener.listen()
    link, loaded = WorkerLink(), list[object]()
    arguments = (link._theirs, listener.getsockname()[1], loaded)
    worker = threading.Thread(target=_answer, args=arguments)
    worker.start()
    assert link.has_drained()
    application = Draining()
    loaded.append(application)
    assert not link.has_drained()
    application.drained = True
    assert link.has_drained()
    link.succeed()
    assert application.succeeded
    link.close()
    worker.join()


def test_a_worker_that_is_gone_answers_nothing() -> None:
    """Which reads as: it does not listen, and nothing was steered."""
    link = WorkerLink()
    link.started()
    assert not link.listens(1)
    assert not link.steer(0, 1)
    assert link.has_closed()
    link.close()
