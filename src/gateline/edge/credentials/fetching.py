"""Fetches small documents over the edge's own client."""

import asyncio
from typing import Final
from urllib.parse import urlsplit

from gateline.edge.credentials.key_set import Fetch, FetchFailed
from gateline.edge.upstream import Client, Target, UpstreamError

_SECONDS: Final = 5.0
_MOST_BYTES: Final = 512 * 1024
_HEADERS: Final = [
    (b"accept", b"application/jwk-set+json, application/json"),
    (b"connection", b"close"),
]


def fetcher(client: Client) -> Fetch:
    """Return what fetches a document of at most 512 KiB in at most five seconds; no redirects."""
    targets: dict[str, Target] = {}

    async def fetch(url: str) -> bytes:
        parts = urlsplit(url)
        path = parts.path or "/"
        if parts.query:
            path = f"{path}?{parts.query}"
        try:
            origin = f"{parts.scheme}://{parts.netloc}"
            target = targets.get(origin) or targets.setdefault(origin, Target.parse(origin))
            async with asyncio.timeout(_SECONDS):
                return await _get(client, target, path.encode("ascii"))
        except UpstreamError as error:
            raise FetchFailed(error.reason) from error
        except TimeoutError as error:
            raise FetchFailed("time-out") from error
        except ValueError as error:
            raise FetchFailed("not an address") from error

    return fetch


async def _get(client: Client, target: Target, path: bytes) -> bytes:
    deadline = asyncio.get_running_loop().time() + _SECONDS
    response = await client.send(target, b"GET", path, _HEADERS, deadline=deadline)
    try:
        if response.status != 200:
            raise FetchFailed(f"status {response.status}")
        document = bytearray()
        while chunk := await response.read_chunk():
            document += chunk
            if len(document) > _MOST_BYTES:
                raise FetchFailed("too long")
        return bytes(document)
    finally:
        response.close()
