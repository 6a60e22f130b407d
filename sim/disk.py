"""A simulated machine's disks: the ledger's, which syncs, and the soft one, which does not.

Invariant: what `store` was answered for survives a power cut, what it was not answered for does not; a lost disk is empty. Tickets
are answered in the order in which they came.
"""

from collections import deque
from collections.abc import Callable, Iterable
from random import Random
from typing import NamedTuple

from msgspec import Struct

from mesh.crdt.replica import MemoryReplica, Table, Write
from sim.laws import Draw
from sim.scenario import DiskModel
from sim.world import World

COMMIT_TICKETS_MAX = 512  # The writer thread's.
FULL = "no space left on the disk (simulated)"

Done = Callable[[int], None]
Failed = Callable[[int, str], None]


class _Order(NamedTuple):
    ticket: int
    writes: Iterable[Write]
    done: Done
    failed: Failed | None


class LedgerDisk:
    """A replica that says when each ticket is durable. Tickets that come during a commit share the next one (group commit)."""

    __slots__ = ("_life", "_model", "_rng", "_waiting", "_working", "_world", "commit", "full", "lying", "replica")

    def __init__(self, world: World, model: DiskModel, rng: Random) -> None:
        self._world, self._model, self._rng = world, model, rng
        self._life = 0
        self._waiting: deque[_Order] = deque()
        self._working = False
        self.replica = MemoryReplica()
        self.commit: Draw | None = None  # How long a commit takes while the disk is slow; None: as its model says.
        self.lying = False  # A planted fault: writes are confirmed and thrown away.
        self.full = False

    def store(self, ticket: int, writes: Iterable[Write], done: Done, failed: Failed | None = None) -> None:
        """Make `writes` durable in one transaction, then call `done(ticket)`; or `failed(ticket, reason)` if there is no space.

        When a commit fails, so does every ticket asked for before the first failure was heard (`mesh/storage/writer.py`).
        """
        self._waiting.append(_Order(ticket, writes, done, failed))
        if not self._working:
            self._begin()

    def cut_power(self) -> None:
        """Forget everything that is under way."""
        self._life += 1
        self._waiting.clear()
        self._working = False

    def lose(self) -> None:
        """Replace the disk by an empty one."""
        self.cut_power()
        self.replica = MemoryReplica()

    def restore(self, snapshot: MemoryReplica) -> None:
        """Replace the disk by a copy of `snapshot`."""
        self.cut_power()
        self.replica = copy_of(snapshot)

    def _begin(self) -> None:
        self._working = True
        orders = [self._waiting.popleft() for _ in range(min(len(self._waiting), COMMIT_TICKETS_MAX))]
        if self.commit is not None:
            took = self.commit()
        else:
            took = self._model.store_s + self._model.store_jitter_s * self._rng.expovariate(1.0)
        self._world.at(self._world.now + took, self._commit, (self._life, orders))

    def _commit(self, work: tuple[int, list[_Order]]) -> None:
        life, orders = work
        if life != self._life:
            return
        self._working, full = False, self.full
        if full:
            orders += self._waiting
            self._waiting.clear()
        elif not self.lying:
            for order in orders:
                self.replica.write(order.writes)
        for order in orders:
            if life == self._life:
                self._answer(order, full)
        if self._waiting and not self._working:
            self._begin()

    @staticmethod
    def _answer(order: _Order, full: bool) -> None:
        if not full:
            order.done(order.ticket)
        elif order.failed is not None:
            order.failed(order.ticket, FULL)


class SoftDisk:
    """A replica that is written at once and synced later: a power cut takes back the last `lazy_s` seconds."""

    __slots__ = ("_lazy_s", "_undo", "_world", "replica")

    def __init__(self, world: World, model: DiskModel) -> None:
        self._world, self._lazy_s = world, model.lazy_s
        self._undo: deque[tuple[float, Write, bytes | None]] = deque()  # Since when, and what stood there before.
        self.replica = MemoryReplica()

    def begin_with(self, rows: MemoryReplica) -> None:
        """Hold these rows from the beginning; other disks may hold the same ones."""
        self.replica = MemoryReplica(rows)

    def write(self, writes: tuple[Write, ...]) -> None:
        """Write without waiting for the disk."""
        now = self._world.now
        while self._undo and self._undo[0][0] <= now - self._lazy_s:
            self._undo.popleft()
        for write in writes:
            self._undo.append((now, write, self.replica.get(write.table, write.key)))
        self.replica.write(writes)

    def write_now(self, writes: tuple[Write, ...]) -> None:
        """Write and sync, with everything before."""
        self._undo.clear()
        self.replica.write(writes)

    def cut_power(self) -> None:
        """Take back what was not synced."""
        while self._undo:
            written, write, before = self._undo.pop()
            if written > self._world.now - self._lazy_s:
                self.replica.write((Write(write.table, write.key, before),))

    def lose(self) -> None:
        """Replace the disk by an empty one."""
        self._undo.clear()
        self.replica = MemoryReplica()

    def restore(self, snapshot: MemoryReplica) -> None:
        """Replace the disk by a copy of `snapshot`."""
        self._undo.clear()
        self.replica = copy_of(snapshot)

    def read_row(self, table: Table, key: bytes) -> bytes | None:
        """One row as it stands."""
        return self.replica.get(table, key)


class Snapshot(Struct, frozen=True, eq=False):
    """What a machine's disks held at a moment."""

    ledger: MemoryReplica
    soft: MemoryReplica


def copy_of(replica: MemoryReplica) -> MemoryReplica:
    """Another replica with the same rows."""
    copy = MemoryReplica()
    for table in Table:
        copy.write(Write(table, key, value) for key, value in replica.scan(table))
    return copy
