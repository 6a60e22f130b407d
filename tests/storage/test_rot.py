"""A flipped byte in a real file under a running peer is found, named, kept from everybody and mended.

Invariant: after it was mended the file holds every row as it was.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mesh.config import StorageConfig
from mesh.crdt.damage import Damaged
from mesh.crdt.effects import NotComposed
from mesh.crdt.events import TakeEnds
from mesh.crdt.replica import MemoryReplica, Table
from mesh.crdt.verify import verify_replica
from mesh.effects import Emit, Stream
from mesh.errors import DamagedRow
from mesh.events import Received
from mesh.messages import Batches, FoundBatches, WantBatches
from mesh.records import PutRecord, Submit
from mesh.storage.environment import LEDGER_TABLES, LmdbReplica
from mesh.storage.seals import Seals
from sim.trust import CheapTrust, certificate_for
from tests.crdt.admin import end_of
from tests.crdt.site import MESH, Pen, put
from tests.gossip.circle import address, node
from tests.test_peer import RECORD, Loop

FOR_PEOPLE = (Table.META, Table.ENDED, Table.ASSUMED)  # Nobody else could give back what these say.
VERIFIED = tuple(table for table in LEDGER_TABLES if table not in FOR_PEOPLE)

pytestmark = pytest.mark.live

Rows = dict[Table, list[tuple[bytes, bytes]]]


class Pair(Loop):
    """Two peers, of which bob keeps his ledger in a real file and scrubs all the time."""

    storage = StorageConfig(scrub_interval_s=0.5, scrub_pause_s=0.001)

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = LmdbReplica.open(path, LEDGER_TABLES, mesh=MESH, durable=True)
        super().__init__("ada")
        self.disks["bob"] = (self.file, MemoryReplica())  # type: ignore[assignment]
        self.boots["bob"] = 0
        self.start("bob", seeds=("ada",))
        self.file.on_damage = self.hear

    def hear(self, damaged: DamagedRow) -> None:
        event = Damaged(Table(damaged.table), damaged.key)
        self.later(lambda: self.tell("bob", event) and None, 0.0)

    def rows(self) -> Rows:
        with self.file.read() as reader:
            return {table: list(reader.scan(table)) for table in VERIFIED}

    def flip(self, table: Table, key: bytes, row: bytes) -> None:
        """Flip one bit of a row in the file, wherever a copy of it stands, under the open map."""
        stored = Seals(MESH).close(table, key, row)
        content = (self.path / "data.mdb").read_bytes()
        place = content.find(stored)
        assert place > 0
        with open(self.path / "data.mdb", "r+b") as file:
            while place > 0:
                file.seek(place + len(row) // 2)
                file.write(bytes([stored[len(row) // 2] ^ 0x10]))
                place = content.find(stored, place + 1)
        with self.file.read() as reader, pytest.raises(DamagedRow):
            reader.get(table, key)

    def said(self, who: str, name: str) -> list[str]:
        """Why `who` told the world of `name`, each time."""
        events = [effect for at, effect in self.told if at == who and isinstance(effect, Emit)]
        return [str(event.about["reason"]) for event in events if event.name == name]


@contextmanager
def pair(path: Path) -> Iterator[Pair]:
    """Two peers with a few writes of each, and a writer that forked; its first batch is void on one branch."""
    loop = Pair(path)
    try:
        loop.run(10)
        for number in range(6):
            loop.put("ada" if number % 2 else "bob", {"a": number, f"f{number}": number}, number)
            loop.run(1)
        pen = Pen()
        twin = pen.copy()
        void = pen.next(put(RECORD, "a", 1), put(RECORD, "a", 2))
        branch = twin.next(put(RECORD, "b", 3))
        for name in ("ada", "bob"):
            loop.tell(name, Received(node("cyd"), address("cyd"), Batches((void, branch), (certificate_for("x"),))))
            loop.tell(name, TakeEnds((end_of(twin.writer, twin.head.number, twin.head.hash),)))
        loop.run(1)
        yield loop
    finally:
        loop.file.close()


@pytest.mark.parametrize("table", VERIFIED)
def test_a_flipped_bit_in_any_table_is_found_named_and_mended(table: Table, tmp_path: Path) -> None:
    with pair(tmp_path) as loop:
        before = loop.rows()
        for key, row in before[table]:
            loop.flip(table, key, row)
            named = len(loop.said("bob", "storage.damaged"))
            loop.run(12)
            assert loop.rows() == before
            assert len(loop.said("bob", "storage.damaged")) > named
        assert len(loop.said("bob", "storage.mended")) >= len(before[table]) > 0
        assert loop.said("ada", "storage.damaged") == loop.said("ada", "storage.mended") == []
        with loop.file.read() as reader:
            assert verify_replica(reader, MESH, CheapTrust("x")).is_whole


def test_a_damaged_batch_is_kept_from_peers_and_a_damaged_cell_from_writers(tmp_path: Path) -> None:
    with pair(tmp_path) as loop:
        loop.dark.add("ada")
        before = loop.rows()
        heads = loop.peers["bob"].ledger.durable.heads()
        for key, row in before[Table.BATCHES]:
            loop.flip(Table.BATCHES, key, row)
        asked = loop.tell("bob", Received(node("ada"), address("ada"), WantBatches(heads)))
        assert [e.message for e in asked if isinstance(e, Stream)] == [FoundBatches(())]
        loop.flip(Table.CELLS, *next(row for row in before[Table.CELLS] if row[0].endswith(b"f3")))
        refused = loop.tell("bob", Submit(99, (PutRecord(RECORD, {"f3": 8}),), "bob"))
        assert [type(effect) for effect in refused if not isinstance(effect, Emit)] == [NotComposed]
        loop.run(5)
        loop.peers["bob"].check()
        loop.dark.clear()
        loop.run(40)
        assert loop.rows() == before
        loop.put("bob", {"f3": 9}, 100)
        loop.run(1)
        assert loop.fields("ada") == {"f3": 9}


def test_what_is_written_over_damage_elsewhere_goes_on(tmp_path: Path) -> None:
    with pair(tmp_path) as loop:
        key, row = loop.rows()[Table.BATCHES][0]
        loop.flip(Table.BATCHES, key, row)
        for number in range(5):
            loop.put("ada" if number % 2 else "bob", {"a": f"again {number}"}, 200 + number)
            loop.run(1)
        loop.run(10)
        assert loop.fields("ada") == {"a": "again 4"}
        with loop.file.read() as reader:
            assert verify_replica(reader, MESH, CheapTrust("x")).is_whole
            assert reader.get(Table.BATCHES, key) == row
