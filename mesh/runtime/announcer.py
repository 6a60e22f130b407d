"""The announcer tells everyone inside this process what happened: watches, metrics, logs.

Invariant: a listener gets everything from the moment it began, in order, or its channel is closed; none can hold up the loop.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from mesh.effects import Emit, Posted, Visible

Announcement = Visible | Posted | Emit


class Announcer:
    """Fans announcements out to bounded channels."""

    def __init__(self) -> None:
        self._channels: list[trio.MemorySendChannel[Announcement]] = []

    @contextmanager
    def listen(self, capacity: int) -> Iterator[trio.MemoryReceiveChannel[Announcement]]:
        """Everything from now on. Where more than `capacity` wait unread, the channel is closed: the listener was too slow."""
        sender, receiver = trio.open_memory_channel[Announcement](capacity)
        self._channels.append(sender)
        try:
            yield receiver
        finally:
            receiver.close()
            sender.close()
            if sender in self._channels:
                self._channels.remove(sender)

    def tell(self, announcement: Announcement) -> None:
        """Tell every listener, and drop those that do not keep up."""
        for sender in list(self._channels):
            try:
                sender.send_nowait(announcement)
            except (trio.WouldBlock, trio.BrokenResourceError):
                self._channels.remove(sender)
                sender.close()

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._channels)
