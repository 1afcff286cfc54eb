"""Key sets are fetched over real connections, within bounds."""

import asyncio

import pytest
from scripted_services import ScriptedServices, answer, cut

from gateline.edge.credentials.fetching import fetcher
from gateline.edge.credentials.key_set import FetchFailed
from gateline.edge.upstream import Client


def _fetch(url: str) -> bytes:
    async def scenario() -> bytes:
        client = Client()
        try:
            return await fetcher(client)(url)
        finally:
            await client.aclose()

    return asyncio.run(scenario())


def test_a_document_is_fetched_with_its_query(services: ScriptedServices) -> None:
    """As the address says, and no connection is kept for the next time."""
    services.on("/keys", answer(body=b'{"keys": []}'))

    assert _fetch(f"http://127.0.0.1:{services.ports['auth']}/keys?tenant=7") == b'{"keys": []}'
    assert services.seen("/keys")[0].target == b"/keys?tenant=7"
    assert services.seen("/keys")[0].values(b"connection") == [b"close"]


@pytest.mark.parametrize(
    "behaviour",
    [
        answer(404),
        answer(302, headers=[(b"location", b"http://127.0.0.1:1/")]),
        answer(body=b"x" * 600_000),
        cut(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"),
        cut(),
        b"nonsense\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_a_failure(services: ScriptedServices, behaviour: bytes) -> None:
    """No redirect is followed, nothing too long is kept, nothing half is taken for whole."""
    services.on("/keys", behaviour)

    with pytest.raises(FetchFailed):
        _fetch(f"http://127.0.0.1:{services.ports['auth']}/keys")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/keys", "ftp://127.0.0.1/keys", "nonsense"])
def test_nowhere_is_a_failure(url: str) -> None:
    """Nobody there, or no address."""
    with pytest.raises(FetchFailed):
        _fetch(url)
