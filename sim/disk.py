"""A simulated machine's disks: the ledger's, which syncs, and the soft one, which does not.

Invariant: what `store` was answered for survives a power cut, what it was not answered for does not; a lost disk is empty.
"""

from collections import deque
from collections.abc import Callable, Iterable
from random import Random

from mesh.crdt.replica import MemoryReplica, Table, Write
from sim.scenario import DiskModel
from sim.world import World

Done = Callable[[int], None]


class LedgerDisk:
    """A replica that writes one ticket after the other and says when each is durable."""

    __slots__ = ("_busy_until", "_life", "_model", "_rng", "_world", "lying", "replica")

    def __init__(self, world: World, model: DiskModel, rng: Random) -> None:
        self._world, self._model, self._rng = world, model, rng
        self._life = 0
        self._busy_until = 0.0
        self.replica = MemoryReplica()
        self.lying = False  # A planted fault: writes are confirmed and thrown away.

    def store(self, ticket: int, writes: Iterable[Write], done: Done) -> None:
        """Make `writes` durable in one transaction, then call `done(ticket)`."""
        delay = self._model.store_s + self._model.store_jitter_s * self._rng.expovariate(1.0)
        self._busy_until = max(self._busy_until, self._world.now) + delay
        self._world.at(self._busy_until, self._commit, (self._life, ticket, writes, done))

    def cut_power(self) -> None:
        """Forget everything that is under way."""
        self._life += 1
        self._busy_until = 0.0

    def lose(self) -> None:
        """Replace the disk by an empty one."""
        self.cut_power()
        self.replica = MemoryReplica()

    def _commit(self, order: tuple[int, int, Iterable[Write], Done]) -> None:
        life, ticket, writes, done = order
        if life != self._life:
            return
        if not self.lying:
            self.replica.write(writes)
        done(ticket)


class SoftDisk:
    """A replica that is written at once and synced later: a power cut takes back the last `lazy_s` seconds."""

    __slots__ = ("_lazy_s", "_undo", "_world", "replica")

    def __init__(self, world: World, model: DiskModel) -> None:
        self._world, self._lazy_s = world, model.lazy_s
        self._undo: deque[tuple[float, Write]] = deque()
        self.replica = MemoryReplica()

    def write(self, writes: tuple[Write, ...]) -> None:
        """Write without waiting for the disk."""
        now = self._world.now
        while self._undo and self._undo[0][0] <= now - self._lazy_s:
            self._undo.popleft()
        for write in writes:
            self._undo.append((now, Write(write.table, write.key, self.replica.get(write.table, write.key))))
        self.replica.write(writes)

    def write_now(self, writes: tuple[Write, ...]) -> None:
        """Write and sync, with everything before."""
        self._undo.clear()
        self.replica.write(writes)

    def cut_power(self) -> None:
        """Take back what was not synced."""
        while self._undo:
            written, before = self._undo.pop()
            if written > self._world.now - self._lazy_s:
                self.replica.write((before,))

    def lose(self) -> None:
        """Replace the disk by an empty one."""
        self._undo.clear()
        self.replica = MemoryReplica()

    def read_row(self, table: Table, key: bytes) -> bytes | None:
        """One row as it stands."""
        return self.replica.get(table, key)
