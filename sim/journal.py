"""Every write of the workload and what became of it.

Invariant: a node counts as a holder of a batch from the moment it showed it as durable until it loses its disk.
"""

from collections.abc import Iterable

from mesh.crdt.batch import OpenBatch
from mesh.ids import BatchHash, Head
from sim.graves import Graves


class Entry:
    """One write: who was asked and when; then the batch it became; then when the last of the others showed it (seconds)."""

    __slots__ = ("acknowledged_at", "changes", "head", "index", "last_s", "submitted_at")

    def __init__(self, index: int, now: float, changes: bool) -> None:
        self.index, self.changes = index, changes
        self.submitted_at = now
        self.acknowledged_at: float | None = None
        self.head: Head | None = None
        self.last_s = 0.0


class Journal:
    """Who wrote what, who has it, and how long it took to get there."""

    __slots__ = ("_holders", "_known", "delays_s", "entries", "graves", "refused")

    def __init__(self, every: int = 1) -> None:
        """A journal that looks at the cells of every `every`-th batch that is shown."""
        self.graves = Graves(every)
        self.entries: list[Entry] = []
        self.refused: dict[str, int] = {}
        self.delays_s: list[float] = []  # From the acknowledgement to Visible at one other peer.
        self._known: dict[BatchHash, list[Entry]] = {}  # Writes may share a batch.
        self._holders: dict[BatchHash, int] = {}  # Bit i: node i.

    def submit(self, index: int, now: float, changes: bool = True) -> int:
        """Take down a write at node `index`. Returns the number of its request, which is also its value.

        `changes`: whatever the node holds, the write changes something there.
        """
        self.entries.append(Entry(index, now, changes))
        return len(self.entries) - 1

    def acknowledge(self, request: int, head: Head | None, now: float) -> None:
        """The write is durable at the node that was asked."""
        entry = self.entries[request]
        assert entry.acknowledged_at is None, f"request {request} was answered twice"
        assert head is not None or not entry.changes, (
            f"request {request} wrote a new value and is said to have changed nothing"
        )
        if head is None:
            self.refuse("unchanged")
            return
        entry.acknowledged_at, entry.head = now, head
        self._known.setdefault(head.hash, []).append(entry)

    def refuse(self, reason: str) -> None:
        """The write was not accepted, and its author knows."""
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def show(self, index: int, up_since: float, batches: Iterable[OpenBatch], now: float) -> None:
        """Node `index`, which is up since `up_since`, has shown `batches` as durable."""
        for opened in batches:
            self._holders[opened.hash] = self._holders.get(opened.hash, 0) | 1 << index
            for entry in self._known.get(opened.hash, ()):
                if entry.acknowledged_at is None or entry.index == index:
                    continue
                if up_since <= entry.acknowledged_at:  # A node that was down has an excuse.
                    entry.last_s = max(entry.last_s, now - entry.acknowledged_at)
                    self.delays_s.append(now - entry.acknowledged_at)

    def forget(self, index: int) -> None:
        """Node `index` has lost its disk."""
        for batch, holders in self._holders.items():
            self._holders[batch] = holders & ~(1 << index)
        self.graves.forget(index)

    def acknowledged(self) -> list[tuple[Entry, Head]]:
        """Every acknowledged write with its batch, in the order of the requests."""
        return [(entry, entry.head) for entry in self.entries if entry.head is not None]

    def holders(self, head: Head) -> int:
        """Who should have a batch, as bits by node index: each said so and has not lost its disk since."""
        return self._holders.get(head.hash, 0)
