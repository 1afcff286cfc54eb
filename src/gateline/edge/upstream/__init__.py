"""The upstream side of the edge: an HTTP/1.1 client on asyncio and llhttp."""

from gateline.edge.upstream.client import Client
from gateline.edge.upstream.errors import (
    BodyTruncated,
    ConnectFailed,
    ConnectionLost,
    InvalidResponse,
    PoolExhausted,
    StaleConnection,
    UpstreamError,
    UpstreamTimeout,
)
from gateline.edge.upstream.pool import Limits, Pool
from gateline.edge.upstream.request import BodyStream
from gateline.edge.upstream.response import Response
from gateline.edge.upstream.target import Target

__all__ = [
    "BodyStream",
    "BodyTruncated",
    "Client",
    "ConnectFailed",
    "ConnectionLost",
    "InvalidResponse",
    "Limits",
    "Pool",
    "PoolExhausted",
    "Response",
    "StaleConnection",
    "Target",
    "UpstreamError",
    "UpstreamTimeout",
]
