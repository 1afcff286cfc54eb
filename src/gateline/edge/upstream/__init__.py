"""The upstream side of the edge: a client for HTTP/1.1 on asyncio and llhttp, and for HTTP/2."""

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
from gateline.edge.upstream.http1_pool import Http1Pool
from gateline.edge.upstream.pool import Limits, Pool
from gateline.edge.upstream.request import BodyStream, PreparedHeaders
from gateline.edge.upstream.response import Response
from gateline.edge.upstream.target import Target

__all__ = [
    "BodyStream",
    "BodyTruncated",
    "Client",
    "ConnectFailed",
    "ConnectionLost",
    "Http1Pool",
    "InvalidResponse",
    "Limits",
    "Pool",
    "PoolExhausted",
    "PreparedHeaders",
    "Response",
    "StaleConnection",
    "Target",
    "UpstreamError",
    "UpstreamTimeout",
]
