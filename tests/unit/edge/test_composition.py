"""The composition root: settings become parts, and nothing is connected before it is used."""

import asyncio
import gc
import logging
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from edge_people import SERVICE_KEY, edge_environment

from gateline.edge import create_app
from gateline.edge.app import Edge
from gateline.edge.composition import begin, compose
from gateline.edge.exchange import Message
from gateline.shared.config import Settings
from gateline.shared.gateway import GatewayFileError
from gateline.shared.gateway.last_good import VARIABLE
from gateline.shared.telemetry.writing import Backlog


@pytest.fixture(autouse=True)
def root_handlers() -> Iterator[None]:
    """Take away the log handlers that an app installs."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for handler in [one for one in root.handlers if one not in before]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


def settings(folder: Path, **more: str) -> Settings:
    """Return settings of an edge whose store is away."""
    environment = edge_environment("redis://127.0.0.1:1/0", REDIS_TIMEOUT="0.2", **more)
    return Settings.load(environment, folder=folder)


async def lifespan(edge: Edge) -> tuple[list[Message], Any]:
    """Run the edge from start to stop as a server does; return what it said, and its parts."""
    said: list[Message] = []
    started, stop = asyncio.Event(), asyncio.Event()
    messages = deque(["lifespan.startup"])

    async def receive() -> Message:
        if messages:
            return {"type": messages.popleft()}
        await stop.wait()
        return {"type": "lifespan.shutdown"}

    async def send(message: Message) -> None:
        said.append(message)
        started.set()

    living = asyncio.ensure_future(edge({"type": "lifespan"}, receive, send))
    await started.wait()
    parts = edge._parts
    stop.set()
    await asyncio.wait_for(living, 5)
    return said, parts


def test_an_edge_starts_without_its_store_and_stops_cleanly(tmp_path: Path) -> None:
    """A store that is away keeps nobody from starting; stopping ends every task."""

    async def scenario() -> None:
        said, parts = await lifespan(create_app(settings(tmp_path)))
        assert [one["type"] for one in said] == [
            "lifespan.startup.complete",
            "lifespan.shutdown.complete",
        ]
        assert not parts.sessions.trusted
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())


def test_services_at_one_address_share_its_connections(tmp_path: Path) -> None:
    """One process that serves several services has one pool."""
    one, other = "http://127.0.0.1:5001", "http://127.0.0.1:5002"

    async def scenario() -> None:
        chosen = settings(
            tmp_path, DOCTOR_SERVICE_URL=one, PATIENT_SERVICE_URL=one, WEB_SERVICE_URL=other
        )
        _, parts = await lifespan(create_app(chosen))
        assert len(parts.client.pools) == 2
        assert set(parts.health.services) == {"doctors", "patients", "web"}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("more", "renews"),
    [
        ({"JWT_SERVICE_URL": "http://127.0.0.1:5001"}, True),
        ({"JWT_SERVICE_URL": "http://127.0.0.1:5001", "SERVICE_KEY": ""}, False),
        ({}, False),
    ],
)
def test_cookies_are_renewed_where_that_is_possible(
    tmp_path: Path, more: dict[str, str], renews: bool
) -> None:
    """Without an auth service or a key for it, cookies simply end with their token."""

    async def scenario() -> None:
        chosen = Settings.load(
            edge_environment("redis://127.0.0.1:1/0") | {"SERVICE_KEY": SERVICE_KEY} | more,
            folder=tmp_path,
        )
        _, parts = await lifespan(create_app(chosen))
        assert (parts.pipeline._forwarder._renewer is not None) is renews

    asyncio.run(scenario())


def test_what_cannot_be_built_is_refused_by_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a start nor a reload tells less than `gateline check`."""
    monkeypatch.setattr("gateline.edge.rehearsal.find_spec", lambda _: None)
    file = tmp_path / "gateline.toml"
    file.write_text('[services.shop]\nurl = "http://shop"\nprotocol = "http2"\n')

    with pytest.raises(
        GatewayFileError, match=r"toml:3: services\.shop\.protocol: needs a library"
    ):
        begin(settings(tmp_path, GATELINE_CONFIG=str(file)))


def _kept() -> Counter[str]:
    """Count what there is of the gateway's own, by its kind."""
    gc.unfreeze()
    gc.collect()
    kinds = (type(one) for one in gc.get_objects())
    ours = (kind for kind in kinds if str(kind.__module__).startswith("gateline."))
    return Counter(kind.__qualname__ for kind in ours)


def test_versions_that_served_are_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After 50 changes of the file there is no more than after five."""
    monkeypatch.setattr("gateline.edge.upstreams.registry._LATECOMER_SECONDS", 0.0)
    file = tmp_path / "gateline.toml"

    def write(number: int) -> None:
        shop = f'[services.shop]\nurl = "http://127.0.0.1:{number + 1}"\n'
        shop += 'health_check.interval = "1h"\n'
        keys = f'[[api_keys]]\nname = "key-{number}"\nsha256 = "{number:064x}"\n'
        routes = (
            f'[[routes]]\npath = "/{number}/{one}/*"\nservice = "shop"\nrate_limit = "9/minute"\n'
            f'accept = ["session", "key"]\ncors.origins = ["https://{number}.example"]\n'
            for one in range(10)
        )
        file.write_text(shop + keys + "".join(routes))

    async def scenario() -> None:
        write(0)
        chosen = settings(tmp_path, GATELINE_CONFIG=str(file))
        parts = compose(chosen, Backlog(10))
        kept: list[Counter[str]] = []
        for number in range(1, 51):
            write(number)
            await parts.reloader.look(asked=True)
            assert parts.reloader.refusal is None
            if number in {5, 50}:
                assert parts.services._closing is not None
                await parts.services._closing
                kept.append(_kept())
        await parts.services.aclose()
        await parts.client.aclose()
        await parts.kv.aclose()
        assert kept[0]["Route"] > 10
        assert kept[1] == kept[0]

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_a_new_worker_has_no_use_for_the_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server listens, with the last good pair: while its files are wrong, workers start."""
    pair = Authority(tmp_path).issue("edge.example")
    file = tmp_path / "gateline.toml"
    file.write_text(f'[gateway.tls]\ncertificate = "{pair}"\nkey = "{pair}"\n')
    monkeypatch.setenv(VARIABLE, str(tmp_path / "kept.toml"))
    chosen = settings(tmp_path, GATELINE_CONFIG=str(file))
    first = begin(chosen)
    pair.write_text("half of a")

    assert begin(chosen).plan == first.plan
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(GatewayFileError, match=r"gateway\.tls\.certificate"):
        begin(chosen)
