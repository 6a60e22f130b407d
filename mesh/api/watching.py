"""What all watches have in common: where their events go, and how they end.

Invariant: a watch listens before it takes its snapshot; an event is dropped only if the snapshot already covers it.
"""

from collections.abc import Awaitable, Callable

import trio

from mesh.api.reading import Position
from mesh.api.shapes import WatchEvent
from mesh.crdt.token import encode_token
from mesh.effects import Emit, Posted, Visible
from mesh.runtime.node import Node

LISTEN_MAX = 1_000  # Events that wait for a slow watcher before it is dropped.
TOO_SLOW = "this watcher did not keep up, or the peer is stopping; resume with the token"

Tell = Callable[[WatchEvent], Awaitable[None]]
Announcements = trio.MemoryReceiveChannel[Visible | Posted | Emit]


class Watch:
    """One watch of one connection. `run` ends when the watcher was too slow; cancelling it closes it without a word."""

    def __init__(self, number: int, node: Node, tell: Tell) -> None:
        self.number = number
        self.node = node
        self.tell = tell
        self.position: Position = {}

    @property
    def token(self) -> str:
        """Up to where the watcher has heard everything."""
        return encode_token(self.position)

    async def run(self) -> None:
        """Tell the watcher everything from now on."""
        with self.node.listen(LISTEN_MAX) as announcements:
            await self.begin()
            async for announcement in announcements:
                await self.on(announcement)
        await self.tell(WatchEvent(self.number, "CLOSED", reason=TOO_SLOW, token=self.token))

    async def begin(self) -> None:
        """Tell what there is."""
        raise NotImplementedError

    async def on(self, announcement: Visible | Posted | Emit) -> None:
        """Tell what happened."""
        raise NotImplementedError
