"""Encoders: what a client decodes is what the service sent, and at once."""

import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from gateline.edge.compressing import encoder_for
from gateline.policy.compression import CODINGS

Decode = Callable[[bytes], bytes]


def decoder(coding: bytes) -> Decode:
    """Return a client's decoder, which gives what it has after every piece."""
    if coding == b"gzip":
        return zlib.decompressobj(31).decompress
    if coding == b"br":
        decode: Decode = brotli.Decompressor().process
        return decode
    return zstandard.ZstdDecompressor().decompressobj().decompress


@given(st.sampled_from(CODINGS), st.lists(st.binary(min_size=1, max_size=2000), max_size=5))
def test_every_piece_can_be_read_when_it_comes(coding: bytes, chunks: list[bytes]) -> None:
    """Nothing is held back: a client has each event of a stream before the next one is made."""
    encoder, decode = encoder_for(coding), decoder(coding)
    for chunk in chunks:
        assert decode(encoder.encode(chunk)) == chunk
    assert decode(encoder.finish()) == b""


@pytest.mark.parametrize("coding", CODINGS)
def test_a_whole_body_becomes_smaller(coding: bytes) -> None:
    """One call does for a body that is whole."""
    body = b'{"name": "somebody", "active": true}' * 100
    encoded = encoder_for(coding).finish(body)
    assert decoder(coding)(encoded) == body
    assert len(encoded) < len(body) / 10
