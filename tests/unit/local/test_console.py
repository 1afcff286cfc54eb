"""The output of many processes on one terminal."""

import io

import pytest

from gateline.local.console import Console, wants_colour


class Terminal(io.BytesIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say yes."""
        return True


class Gone(io.BytesIO):
    """A stream whose reader went away."""

    def write(self, _data: object) -> int:
        """Fail like a closed pipe."""
        raise BrokenPipeError


def test_every_line_carries_its_writers_name() -> None:
    """Several lines in one piece of output are prefixed one by one."""
    out = io.BytesIO()
    Console(out, colour=False, width=4).write("web", b"one\ntwo\n")

    assert out.getvalue() == b"web  | one\nweb  | two\n"


def test_lines_of_two_writers_do_not_mix() -> None:
    """Half a line waits until it is whole, whoever writes in between."""
    out = io.BytesIO()
    console = Console(out, colour=False, width=1)
    console.write("a", b"he")
    console.write("b", b"you\n")
    console.write("a", b"llo\n")

    assert out.getvalue() == b"b | you\na | hello\n"


def test_an_unfinished_line_is_written_at_the_end() -> None:
    """The last words of a process without a line break are not lost."""
    out = io.BytesIO()
    console = Console(out, colour=False, width=1)
    console.write("a", b"dying")
    console.flush()

    assert out.getvalue() == b"a | dying\n"


def test_noise_is_left_out() -> None:
    """Lines that say nothing new are dropped, the others stay."""
    out = io.BytesIO()
    Console(out, colour=False, width=1).write("a", b"LOG: up\nFATAL: no\n", noise=(b"LOG: ",))

    assert out.getvalue() == b"a | FATAL: no\n"


def test_names_are_coloured_alike_throughout() -> None:
    """A writer keeps its colour; the line itself is left as it is."""
    out = io.BytesIO()
    console = Console(out, colour=True, width=1)
    console.write("a", b"1\n")
    console.write("b", b"2\n")
    console.write("a", b"3\n")
    first, second, third = out.getvalue().splitlines()

    assert first[:-1] == third[:-1]
    assert first[:5] != second[:5]


def test_a_reader_that_went_away_stops_nothing() -> None:
    """`gateline up | head` goes on serving."""
    console = Console(Gone(), colour=False)
    console.say("one")
    console.show("two")


@pytest.mark.parametrize(
    ("stream", "environ", "wanted"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (io.BytesIO(), {}, False),
        (io.BytesIO(), {"FORCE_COLOR": "1"}, True),
    ],
)
def test_colour_is_for_terminals(stream: io.BytesIO, environ: dict[str, str], wanted: bool) -> None:
    """Colour only where a person looks, unless told otherwise."""
    assert wants_colour(stream, environ) is wanted
