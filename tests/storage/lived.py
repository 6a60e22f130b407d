"""A ledger on a real file, opened and guarded as a starting node does it, whose disk can be copied and put back.

Invariant: a file is copied while nobody writes, and put back while nobody has it open.
"""

import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mesh.config import LedgerConfig
from mesh.crdt.batch import decode_batch, hash_content
from mesh.crdt.cell import decode_cell
from mesh.crdt.events import OpenEra
from mesh.crdt.keys import OPENS, number_of
from mesh.crdt.lines import LineId
from mesh.crdt.replica import Reader, Table, Write
from mesh.ids import Dot
from mesh.storage.environment import LEDGER_TABLES, LmdbReplica
from mesh.storage.guards import Guard, Verdict
from mesh.storage.opening import DATA_NAME
from mesh.storage.writer import write_now
from tests.crdt.site import MESH, Site

MAP_BYTES = 1 << 30
SLOWLY = LedgerConfig(ending_bytes=1_000)  # An end looks at two or three batches at a time.


class LmdbDisk:
    """The directory `place`, with the file in `place/ledger` and its guard beside it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.open()

    def open(self) -> None:
        """Open the file as the start of a process does."""
        self._replica = LmdbReplica.open(
            self.place / "ledger", LEDGER_TABLES, mesh=MESH, durable=True, map_bytes=MAP_BYTES
        )

    def close(self) -> None:
        """The process is gone; nothing is written any more."""
        self._replica.close()

    def count_open(self, *, interrupted: bool = False) -> Verdict:
        """Count this opening in the file and beside it, as start-up does; a crash may come between the two."""
        guard = Guard(self.place / "opens.json", self.place / "ledger" / DATA_NAME)
        counted = int(self.get(Table.META, OPENS) or b"0")
        verdict, count = guard.check(counted), guard.next_count(counted)
        write_now(self._replica, [Write(Table.META, OPENS, str(count).encode())])
        if not interrupted:
            guard.advance(count)
        return verdict

    @property
    def commits(self) -> int:
        """How many transactions the file has seen."""
        return self._replica.commits

    @contextmanager
    def read(self) -> Iterator[Reader]:
        with self._replica.read() as reader:
            yield reader

    def get(self, table: Table, key: bytes) -> bytes | None:
        with self.read() as reader:
            return reader.get(table, key)

    def scan(self, table: Table, prefix: bytes = b"", after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        with self.read() as reader:
            yield from list(reader.scan(table, prefix, after))

    def find(self, table: Table, keys: Collection[bytes]) -> dict[bytes, bytes]:
        with self.read() as reader:
            return reader.find(table, keys)

    def write(self, writes: Iterable[Write]) -> None:
        self._replica.write(writes)


class LivedSite(Site):
    """A site on a real file. `verdict` is what its guard said of the newest start; `fooled`: at the first it was not asked."""

    def __init__(self, name: str, place: Path, *, fooled: bool = False) -> None:
        self.file = LmdbDisk(place)
        self.verdict = Verdict.FRESH
        self._gone: dict[Dot, None] = {}
        self._live: dict[Dot, None] = {}
        self._counted: set[bytes] = set()
        super().__init__(name, SLOWLY, self.file, place.name)
        if fooled:
            self.file.count_open()
        else:
            self._obey_guard()

    def restart(self, *, interrupted: bool = False) -> None:
        """The power went: whatever was not stored is gone. `interrupted`: it went once more while the start was counted."""
        self.file.close()
        self.file.open()
        if interrupted:
            self.file.count_open(interrupted=True)
            self.file.close()
            self.file.open()
        self.open()
        self._obey_guard()

    def _obey_guard(self) -> None:
        self.verdict = self.file.count_open()
        if not self.verdict.keeps_era:
            self.tell(OpenEra(self.verdict.value))
            self.settle()

    def copy_file(self, target: Path) -> None:
        """Copy the whole directory, guard and all."""
        shutil.copytree(self.file.place, target)

    def put_back(self, backup: Path) -> None:
        """Replace the file by an older copy of it, and start. The guard stays: it is kept out of backups."""
        self.file.close()
        shutil.rmtree(self.file.place / "ledger")
        shutil.copytree(backup / "ledger", self.file.place / "ledger")
        self._start_anew()

    def roll_back(self, backup: Path) -> None:
        """Bring file and guard to what they were, in place: neither the inode nor a count of opens tells."""
        self.file.close()
        for name in (Path("opens.json"), Path("ledger") / DATA_NAME):
            (self.file.place / name).write_bytes((backup / name).read_bytes())
        self._start_anew()

    def _start_anew(self) -> None:
        self._gone, self._live, self._counted = {}, {}, set()
        self.file.open()
        self.open()
        self._obey_guard()

    def reappeared(self) -> list[Dot]:
        """Live changes that were not live any more when this was asked before, though no batch was taken back since.

        Each call looks once.
        """
        rows = self.file.scan(Table.CELLS)
        live = dict.fromkeys(sibling.dot for _, row in rows for sibling in decode_cell(row))
        before, self._counted = self._counted, self._counting()
        if not before <= self._counted:
            self._gone = {dot: None for dot in self._gone if dot not in live}
        self._gone |= {dot: None for dot in self._live if dot not in live}
        self._live = live
        return [dot for dot in live if dot in self._gone]

    def _counting(self) -> set[bytes]:
        """The batches that count and are not void, by hash."""
        lines, fates = self.ledger.durable.lines, dict(self.file.scan(Table.FATES))
        rows = self.file.scan(Table.BATCHES)
        applied = ((key, row) for key, row in rows if number_of(key) <= lines[LineId(key[:16])].applied.number)
        return {hash_content(decode_batch(row).content) for key, row in applied if key not in fates}

    def end(self) -> None:
        """Give the file back."""
        self.file.close()
