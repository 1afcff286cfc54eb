"""HTTP/2 to an upstream: our own connections and streams around the protocol engine `h2`."""

from gateline.edge.upstream.http2.pool import Http2Pool

__all__ = ["Http2Pool"]
