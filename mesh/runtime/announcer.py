"""The announcer tells everyone inside this process what happened: watches, metrics, logs.

Invariant: a listener gets everything from the moment it began, in order, or its channel is closed; none can hold up the loop.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from mesh.effects import Emit, Posted, Visible

Announcement = Visible | Posted | Emit
Kinds = tuple[type[Announcement], ...]
EVERYTHING: Kinds = (Visible, Posted, Emit)


class Announcer:
    """Fans announcements out to bounded channels."""

    def __init__(self) -> None:
        self._channels: list[tuple[Kinds, trio.MemorySendChannel[Announcement]]] = []

    @contextmanager
    def listen(self, capacity: int, kinds: Kinds = EVERYTHING) -> Iterator[trio.MemoryReceiveChannel[Announcement]]:
        """All of `kinds` from now on. Where more than `capacity` wait unread, the channel is closed: the listener was too slow."""
        sender, receiver = trio.open_memory_channel[Announcement](capacity)
        self._channels.append(listener := (kinds, sender))
        try:
            yield receiver
        finally:
            receiver.close()
            sender.close()
            if listener in self._channels:
                self._channels.remove(listener)

    def tell(self, announcement: Announcement) -> None:
        """Tell every listener, and drop those that do not keep up."""
        for listener in list(self._channels):
            kinds, sender = listener
            if not isinstance(announcement, kinds):
                continue
            try:
                sender.send_nowait(announcement)
            except (trio.WouldBlock, trio.BrokenResourceError):
                self._channels.remove(listener)
                sender.close()

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._channels)
