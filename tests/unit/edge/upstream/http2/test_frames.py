"""Frames out of bytes, however they are cut."""

import itertools

import pytest
from hyperframe.frame import DataFrame, GoAwayFrame, SettingsFrame
from hypothesis import given
from hypothesis import strategies as st

from gateline.edge.upstream import InvalidResponse
from gateline.edge.upstream.http2.frames import GOAWAY, FrameSplitter, read_goaway

FRAMES = [
    SettingsFrame(0, {4: 100}).serialize(),
    DataFrame(1, b"x" * 16384).serialize(),
    DataFrame(3).serialize(),
    GoAwayFrame(0, last_stream_id=3, error_code=2, additional_data=b"bye").serialize(),
]


@given(st.lists(st.integers(0, 20000), max_size=6))
def test_frames_are_whole_however_they_come(cuts: list[int]) -> None:
    """Cutting the stream of bytes anywhere gives the same frames."""
    stream = b"".join(FRAMES)
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    splitter = FrameSplitter()
    pieces = [stream[start:end] for start, end in itertools.pairwise(edges)]
    frames = [frame for piece in pieces for frame in splitter.feed(piece)]
    assert [frame.raw for frame in frames] == FRAMES
    assert [(frame.kind, frame.stream_id) for frame in frames] == [(4, 0), (0, 1), (0, 3), (7, 0)]


def test_another_protocol_is_refused_at_once() -> None:
    """An upstream that answers in HTTP/1.1 is told by its first nine bytes."""
    with pytest.raises(InvalidResponse, match=r"HTTP/1\.1 400"):
        list(FrameSplitter().feed(b"HTTP/1.1 400 Bad Request\r\n\r\n"))


def test_goaway_is_read() -> None:
    """The last stream and the code are at its start; a shorter one is invalid."""
    (frame,) = FrameSplitter().feed(FRAMES[-1])
    assert frame.kind == GOAWAY
    assert read_goaway(frame) == (3, 2)
    with pytest.raises(InvalidResponse):
        read_goaway(frame._replace(raw=frame.raw[:12]))
