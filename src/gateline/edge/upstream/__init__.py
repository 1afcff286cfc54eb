"""The upstream side of the edge: an HTTP/1.1 client on asyncio and llhttp."""
