"""What headers say is read once, and never told of others."""

import pytest

from gateline.edge.heads import MOST_TOKEN_BYTES, Head, Heads
from gateline.policy.headers import Headers
from gateline.policy.reasons import BAD_REQUEST

_HOST = (b"host", b"Shop.Example:8000")


def test_the_same_headers_have_one_head() -> None:
    """Equal bytes in the same order, whatever list they come in; one more byte is another head."""
    heads = Heads()
    first = heads.read([_HOST, (b"accept", b"*/*")])

    assert heads.read([_HOST, (b"accept", b"*/*")]) is first
    assert heads.read([(b"accept", b"*/*"), _HOST]) is not first
    assert heads.read([_HOST, (b"accept", b"*/*"), (b"accept", b"*/*")]) is not first
    assert heads.read([_HOST, (b"accept", b"text/*")]) is not first


def test_a_head_tells_what_its_headers_say() -> None:
    """Host without port and in lower case, the request id if it is fit, the bearer token."""
    head = Head([_HOST, (b"x-request-id", b"abcdefgh1"), (b"authorization", b"BEARER  a.b.c ")])

    assert (head.refusal, head.host) == (None, "shop.example")
    assert (head.offered_id, head.bearer) == ("abcdefgh1", "a.b.c")
    assert head.fields[b"host"] == b"Shop.Example:8000"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [_HOST, _HOST],
        [(b"host", b"a@b")],
        [_HOST, (b"x_user_id", b"1")],
        [_HOST, (b"transfer-encoding", b"identity")],
    ],
)
def test_refused_headers_stay_refused(headers: Headers) -> None:
    """The verdict is kept with them: the second request fares no better than the first."""
    heads = Heads()

    assert [heads.read(list(headers)).refusal for _ in range(2)] == [BAD_REQUEST] * 2


@pytest.mark.parametrize(
    "authorization",
    [
        b"Basic abc",
        b"Bearer",
        b"Bearer ",
        b"Bearer \xff",
        b"Bearer " + b"a" * (MOST_TOKEN_BYTES + 1),
    ],
    ids=["basic", "word", "empty", "high", "long"],
)
def test_only_a_plain_bearer_token_is_told(authorization: bytes) -> None:
    """Anything else is for those who know how to refuse it."""
    assert Head([_HOST, (b"authorization", authorization)]).bearer is None


def test_memory_is_bounded() -> None:
    """Neither many heads nor large ones stay: a client cannot fill the memory with either."""
    heads = Heads()
    for number in range(5000):
        heads.read([_HOST, (b"x-number", b"%d" % number)])
    many = len(heads)
    large: Headers = [_HOST, (b"x-large", b"a" * 5000)]

    assert many <= 2048
    assert heads.read(list(large)) is not heads.read(list(large))
    assert len(heads) == many
