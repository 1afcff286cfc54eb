"""One terminal for many processes: every line with the name of who wrote it."""

from collections.abc import Mapping, Sequence
from typing import BinaryIO

_COLOURS = ("36", "35", "33", "32", "34", "96", "95", "93")
_RESET = b"\x1b[0m"


class Console:
    """Write the output of children to one stream, line by line, prefixed and coloured."""

    def __init__(self, stream: BinaryIO, *, colour: bool, width: int = 8) -> None:
        """Write to `stream`; pad names to `width`."""
        self._stream = stream
        self._colour = colour
        self._width = width
        self._gone = False
        self._prefixes: dict[str, bytes] = {}
        self._unfinished: dict[str, bytes] = {}

    def write(self, name: str, output: bytes, *, noise: Sequence[bytes] = ()) -> None:
        """Write what a child printed, without lines that have `noise` in them.

        The end of an unfinished line waits for the rest.
        """
        *lines, rest = (self._unfinished.pop(name, b"") + output).split(b"\n")
        if rest:
            self._unfinished[name] = rest
        if noise:
            lines = [line for line in lines if not any(part in line for part in noise)]
        if lines:
            prefix = self._prefix(name)
            self._emit(b"".join(b"%b%b\n" % (prefix, line) for line in lines))

    def say(self, text: str) -> None:
        """Write a line of our own."""
        self.write("gateline", text.encode() + b"\n")

    def show(self, block: str) -> None:
        """Write a block as it is."""
        self._emit(block.encode())

    def flush(self) -> None:
        """Write the lines that were never finished."""
        for name in list(self._unfinished):
            self.write(name, b"\n")

    def _prefix(self, name: str) -> bytes:
        if name not in self._prefixes:
            label = f"{name:<{self._width}} | ".encode()
            colour = _COLOURS[len(self._prefixes) % len(_COLOURS)].encode()
            self._prefixes[name] = (
                b"\x1b[%bm%b%b" % (colour, label, _RESET) if self._colour else label
            )
        return self._prefixes[name]

    def _emit(self, data: bytes) -> None:
        # A reader that went away (`gateline up | head`) must not take the platform with it.
        if self._gone:
            return
        try:
            self._stream.write(data)
            self._stream.flush()
        except OSError:
            self._gone = True


def wants_colour(stream: BinaryIO, environ: Mapping[str, str]) -> bool:
    """Tell whether to colour: on a terminal, unless NO_COLOR says otherwise."""
    if environ.get("NO_COLOR"):
        return False
    return bool(environ.get("FORCE_COLOR")) or stream.isatty()
