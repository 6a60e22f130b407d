"""What one client is still to be told.

Invariant: one task sends, so nothing that is cancelled (a watch, a request) can leave half a message behind; messages leave in the
order in which they were put, and all that wait leave in one piece.
"""

from collections.abc import Sequence
from typing import Protocol

import trio

from mesh.transport.websocket import Message

MESSAGES_MAX = 64  # Beyond them whoever wants to say something waits.


class Sender(Protocol):
    """Where messages go."""

    async def send(self, messages: Sequence[Message]) -> None:
        """Send them all."""
        ...


class Outbox:
    """Messages encoded and not yet sent."""

    def __init__(self) -> None:
        self._waiting: list[Message] = []
        self._filled = trio.Event()
        self._room = trio.Event()

    async def put(self, message: Message) -> None:
        """Have a message sent. Waits only while MESSAGES_MAX others wait; cancelled then, it is not sent."""
        while len(self._waiting) >= MESSAGES_MAX:
            await self._room.wait()
        self._waiting.append(message)
        self._filled.set()

    async def empty_into(self, sender: Sender) -> None:
        """Send whatever is put, until cancelled. Raises what `sender` raises."""
        while True:
            await self._filled.wait()
            self._filled = trio.Event()
            messages, self._waiting = self._waiting, []
            self._room.set()
            self._room = trio.Event()
            await sender.send(messages)
