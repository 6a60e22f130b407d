"""A ledger at work on a disk that is recorded: `python -m tests.power.workload DIR MODE`, with the recorder preloaded.

Invariant: a batch is marked as promised exactly when the ledger tells somebody of it, and not before.

The real writer thread serves it, with several tickets in flight: own writes, small and large, and what other writers sent.
MODE says how the file is opened: `durable` and `soft` as the product does, `careless` with `sync=False`, which it never uses.
"""

import ctypes
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

import lmdb
import trio

from mesh.crdt.compose import Bury, Edit, Put, Restore
from mesh.crdt.effects import Composed, LedgerEffect, NotComposed, Stocked, Store
from mesh.crdt.events import Compose, LedgerEvent, Merge, Stored
from mesh.crdt.ledger import Ledger
from mesh.errors import StorageError
from mesh.ids import Head, RecordId
from mesh.storage.environment import LEDGER_TABLES, LmdbReplica
from mesh.storage.files import DirectoryLock
from mesh.storage.opening import MAP_BYTES, Shape, open_tables
from mesh.storage.writer import Writer
from sim.trust import CheapTrust, certificate_for
from tests.crdt.site import MESH, NOON, STRANGER, Pen, put

NAME = "a"
STEPS = 160
IN_FLIGHT = 8
NUMBER_BYTES = 8
TEXT_MAX = 6000  # Some values need pages of their own.


def promise(head: Head) -> None:
    """From here on this batch must be there whatever happens."""
    said = head.writer + head.number.to_bytes(NUMBER_BYTES, "big")
    ctypes.CDLL(None).power_mark(said, ctypes.c_uint64(len(said)))


def opened(path: Path, mode: str) -> LmdbReplica:
    """The replica, opened as `mode` says."""
    if mode != "careless":
        return LmdbReplica.open(path, LEDGER_TABLES, mesh=MESH, durable=mode == "durable")
    LmdbReplica.open(path, LEDGER_TABLES, mesh=MESH, durable=True).close()
    environment = lmdb.open(str(path), map_size=MAP_BYTES, max_dbs=len(LEDGER_TABLES) + 1, sync=False, lib_version=0)
    tables = open_tables(path, environment, Shape(LEDGER_TABLES, MESH, durable=True))
    return LmdbReplica(path, DirectoryLock.take(path), environment, tables)


class Desk:
    """A ledger, its writer, and what it has still to do."""

    def __init__(self, replica: LmdbReplica, rng: Random) -> None:
        self._rng = rng
        certificate = certificate_for(NAME)
        self._ledger = Ledger(MESH, CheapTrust(NAME), replica, certificate, rng.randbytes)
        self._pens = [Pen(name) for name in ("b", "c")]
        self._request = 0
        self.waiting = 0
        self.news = trio.Event()
        self.writer = Writer(replica, self._done)

    def step(self) -> None:
        """One event of those that change a ledger."""
        if self._rng.randrange(3):
            self._request += 1
            self._tell(Compose(self._request, self._edits(), NAME))
        else:
            pen = self._rng.choice(self._pens)
            change = put(self._record(), "from outside", self._rng.random())
            batches = tuple(pen.next(change) for _ in range(self._rng.randint(1, 4)))
            self._tell(Merge(STRANGER, batches, (certificate_for("b"), certificate_for("c"))))

    def _record(self) -> RecordId:
        return RecordId("variable", f"{self._rng.randrange(12):03}")

    def _edits(self) -> tuple[Edit, ...]:
        record = self._record()
        match self._rng.randrange(8):
            case 0:
                return (Bury(record),)
            case 1:
                return (Restore(record), Put(record, "back", True))
            case _:
                fields = range(self._rng.randint(1, 6))
                return tuple(Put(record, f"f{n}", "x" * self._rng.randrange(TEXT_MAX)) for n in fields)

    def _done(self, tickets: Sequence[int], error: StorageError | None) -> None:
        assert error is None, error
        self.waiting -= len(tickets)
        self._tell(Stored(tickets[-1]))
        self.news.set()

    def _tell(self, event: LedgerEvent) -> None:
        for effect in self._ledger.handle(event, NOON):
            self._carry_out(effect)

    def _carry_out(self, effect: LedgerEffect) -> None:
        match effect:
            case Store(ticket, writes):
                self.waiting += 1
                self.writer.submit(ticket, writes)
            case Composed(_, Head() as head):
                promise(head)
            case Stocked(batches):
                for batch in batches:
                    promise(batch.head)
            case NotComposed(_, error):
                raise AssertionError(error)
            case _:
                pass


async def work(path: Path, mode: str) -> None:
    """Carry out all steps."""
    rng = Random(5)
    desk = Desk(opened(path, mode), rng)
    for _ in range(STEPS):
        desk.step()
        most = rng.randint(0, IN_FLIGHT)
        while desk.waiting > most:
            desk.news = trio.Event()
            await desk.news.wait()
    await desk.writer.aclose()


if __name__ == "__main__":
    trio.run(work, Path(sys.argv[1]), sys.argv[2])
