"""A bounded queue per client that forgets the oldest and says so."""

import asyncio

from gateline.edge.sockets.outbox import Outbox, Told


def test_events_come_in_order() -> None:
    """What is put first is taken first, also by somebody who was waiting."""

    async def run() -> list[str]:
        outbox = Outbox()
        taking = asyncio.ensure_future(outbox.take())
        await asyncio.sleep(0)
        for number in range(3):
            outbox.put(Told(str(number)))
        return [(await taking).text, (await outbox.take()).text, (await outbox.take()).text]

    assert asyncio.run(run()) == ["0", "1", "2"]


def test_the_oldest_are_dropped_and_counted_where_they_are_missing() -> None:
    """A client that is too slow hears how many it missed, before the first that it did not."""

    async def run() -> list[object]:
        outbox = Outbox(3)
        for number in range(10):
            outbox.put(Told(str(number)))
        first = await outbox.take()
        return [first.data, *[(await outbox.take()).text for _ in range(3)]]

    assert asyncio.run(run()) == [{"type": "dropped", "count": 7}, "7", "8", "9"]


def test_a_cancelled_wait_loses_nothing() -> None:
    """Whoever stops waiting leaves the events to the next."""

    async def run() -> str:
        outbox = Outbox()
        taking = asyncio.ensure_future(outbox.take())
        await asyncio.sleep(0)
        outbox.put(Told("kept"))
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        return (await outbox.take()).text

    assert asyncio.run(run()) == "kept"


def test_text_and_data_are_the_same_event() -> None:
    """An event made here reads the same as one that came from the store."""
    made = Told.of({"type": "log", "message": "ñ"})
    assert made.data == {"type": "log", "message": "ñ"}
    assert made.text == '{"type":"log","message":"ñ"}'
