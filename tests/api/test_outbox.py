"""An outbox keeps the order, sends together what waits together, and makes those wait who say too much."""

from collections.abc import Sequence

import trio
import trio.testing

from mesh.api.outbox import MESSAGES_MAX, Outbox
from mesh.transport.websocket import Message


class Slow:
    """A client that takes something only when it is let."""

    def __init__(self) -> None:
        self.pieces: list[list[Message]] = []
        self.let = trio.Semaphore(0)

    async def send(self, messages: Sequence[Message]) -> None:
        self.pieces.append(list(messages))
        await self.let.acquire()


async def test_what_waits_together_leaves_together_and_in_order() -> None:
    outbox, client = Outbox(), Slow()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.empty_into, client)
        for number in range(3):
            await outbox.put(str(number))
        await trio.testing.wait_all_tasks_blocked()
        await outbox.put("later")
        client.let.release()
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert client.pieces == [["0", "1", "2"], ["later"]]


async def test_who_says_more_than_a_client_takes_waits() -> None:
    outbox, client = Outbox(), Slow()
    said = 0

    async def say() -> None:
        nonlocal said
        while True:
            await outbox.put("x")
            said += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.empty_into, client)
        nursery.start_soon(say)
        await trio.testing.wait_all_tasks_blocked()
        assert said <= 2 * MESSAGES_MAX
        before = said
        client.let.release()
        await trio.testing.wait_all_tasks_blocked()
        assert before < said <= before + MESSAGES_MAX
        nursery.cancel_scope.cancel()
