"""How much went over the network.

Invariant: every parcel that was handed to the network is counted once under its kind, whatever became of it. A message is what a
core is handed: one of a datagram, which may hold several, or one frame of a stream. Deltas or marks in one message count nothing.
"""

from collections.abc import Sequence

from msgspec import Struct

from sim.parcel import Parcel


class Kind(Struct):
    """Messages of one kind, and their bytes on the wire."""

    messages: int = 0
    bytes: int = 0


class Traffic:
    """Counts what the network carries and what it does not deliver."""

    __slots__ = ("kinds", "lost")

    def __init__(self) -> None:
        self.kinds: dict[str, Kind] = {}
        self.lost: dict[str, int] = {}

    @property
    def messages(self) -> int:
        """All messages so far."""
        return sum(kind.messages for kind in self.kinds.values())

    @property
    def bytes(self) -> int:
        """The bytes of all messages so far."""
        return sum(kind.bytes for kind in self.kinds.values())

    def bytes_by_kind(self) -> dict[str, int]:
        """What was sent so far, by kind of message."""
        return {name: kind.bytes for name, kind in self.kinds.items()}

    def sent(self, kind: str, size: int) -> None:
        """A message of `size` bytes, overhead included, was sent."""
        row = self.kinds.get(kind)
        if row is None:
            row = self.kinds[kind] = Kind()
        row.messages += 1
        row.bytes += size

    def sent_together(self, parcels: Sequence[Parcel], overhead: int) -> None:
        """Messages were sent in one datagram; its overhead counts for the first."""
        for parcel in parcels:
            self.sent(parcel.kind, parcel.size + overhead)
            overhead = 0

    def dropped(self, reason: str, count: int = 1) -> None:
        """Messages will not arrive."""
        self.lost[reason] = self.lost.get(reason, 0) + count
