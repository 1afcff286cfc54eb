"""What the errors of upstreams tell."""

import pytest

from gateline.edge.upstream import (
    BodyTruncated,
    ConnectFailed,
    ConnectionLost,
    InvalidResponse,
    PoolExhausted,
    StaleConnection,
    UpstreamError,
    UpstreamTimeout,
)
from gateline.policy.reasons import REASONS


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConnectFailed, 502),
        (ConnectionLost, 502),
        (StaleConnection, 502),
        (BodyTruncated, 502),
        (InvalidResponse, 502),
        (UpstreamTimeout, 504),
        (PoolExhausted, 503),
    ],
)
def test_every_error_has_a_known_reason(error: type[UpstreamError], status: int) -> None:
    """The reason of each error is one of the platform's, with the right status."""
    assert REASONS[error.reason].status == status


def test_what_may_have_arrived() -> None:
    """Only an error without a byte written proves that the upstream saw nothing."""
    assert not ConnectFailed("x").may_have_arrived
    assert ConnectionLost("x", bytes_written=1).may_have_arrived
    assert UpstreamTimeout("send", bytes_written=7, reused=True).phase == "send"
