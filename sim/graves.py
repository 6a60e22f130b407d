"""What was replaced stays replaced: no node ever shows again what a batch that it has shown took away.

Invariant: a change counts as dead at a node from the moment that node showed a batch which replaces it, until the node loses its
disk or gets an older one. Changes are told apart by their batch's hash, so that reused numbers mislead nobody. A batch that names
a change of another cell replaces nothing there, and no node may show it: it is void.
"""

from collections.abc import Iterable, Iterator

from mesh.crdt.batch import Change, Kind, OpenBatch
from mesh.crdt.cell import decode_cell
from mesh.crdt.keys import cell_key, split_cell_key
from mesh.crdt.replica import MemoryReplica, Table
from mesh.ids import BatchHash, Dot, WriterId

Name = tuple[bytes, int]
"""A change: the first 8 bytes of its batch's hash, and its place in the batch."""

BROKEN_MAX = 20  # A mesh that has lost everything need not say so a thousand times.


class Graves:
    """Who knows of which change that it was replaced. Every `every`-th batch that is shown, its cells are looked at."""

    __slots__ = ("_chains", "_dead", "_every", "_homes", "_kills", "_left", "_newest", "broken")

    def __init__(self, every: int) -> None:
        self._every = self._left = every
        self._dead: dict[Name, int] = {}  # Bit i: at node i.
        self._kills: dict[BatchHash, tuple[Name, ...]] = {}
        self._homes: dict[Name, bytes] = {}  # The cell of every change that was shown anywhere.
        self._chains: dict[
            WriterId, tuple[BatchHash, int]
        ] = {}  # The newest batch seen, and which piece of chain it is on.
        self._newest: dict[tuple[bytes, WriterId, int], Name] = {}
        self.broken: list[str] = []

    def show(self, index: int, batches: Iterable[OpenBatch], replica: MemoryReplica, now: float) -> None:
        """Node `index`, with this durable `replica`, has shown `batches`."""
        for opened in batches:
            for name in self._kills_of(opened):
                self._dead[name] = self._dead.get(name, 0) | 1 << index
            self._left -= 1
            if self._left <= 0:
                self._left = self._every
                self._look(index, opened, replica, now)

    def forget(self, index: int) -> None:
        """Node `index` has lost its disk, or got an older one."""
        for name, holders in self._dead.items():
            self._dead[name] = holders & ~(1 << index)

    def risen(self, index: int, replica: MemoryReplica) -> list[str]:
        """What a node's cells show although it was replaced there, be it in another cell than its own."""
        rows = replica.scan(Table.CELLS)
        return [said for key, row in rows for said, _ in self._risen_in(index, key, row)]

    def _look(self, index: int, opened: OpenBatch, replica: MemoryReplica, now: float) -> None:
        for change in opened.content.changes:
            key = cell_key(change.record, change.field)
            for said, name in self._risen_in(index, key, replica.get(Table.CELLS, key)):
                if self._homes.get(name, key) == key:  # Another cell's change is bit rot that is mended in time.
                    self._blame(f"at {now:.6f} s node {index}: {said}")

    def _blame(self, said: str) -> None:
        if len(self.broken) < BROKEN_MAX:
            self.broken.append(said)

    def _risen_in(self, index: int, key: bytes, row: bytes | None) -> Iterator[tuple[str, Name]]:
        for sibling in decode_cell(row):
            name = name_of(sibling.dot)
            if self._dead.get(name, 0) >> index & 1:
                yield f"{_place(key)} shows {sibling.dot}, which was replaced there", name

    def _kills_of(self, opened: OpenBatch) -> tuple[Name, ...]:
        """What a batch replaces: what it names, and its own writer's earlier change of the same cell."""
        known = self._kills.get(opened.hash)
        if known is None:
            chain, changes = self._chain_of(opened), enumerate(opened.content.changes)
            known = tuple(name for number, change in changes for name in self._killed_by(opened, number, change, chain))
            self._kills[opened.hash] = known
        return known

    def _chain_of(self, opened: OpenBatch) -> int:
        """Which piece of its writer's chain a batch is on: a fork begins another, and what stands there replaces nothing here."""
        content = opened.content
        newest, chain = self._chains.get(content.writer, (content.previous, 0))
        chain += newest != content.previous
        self._chains[content.writer] = opened.hash, chain
        return chain

    def _killed_by(self, opened: OpenBatch, number: int, change: Change, chain: int) -> Iterator[Name]:
        key = cell_key(change.record, change.field)
        self._homes[name_of(opened.dot(number))] = key
        for over in change.over:
            if not self._is_of(change, name_of(over)):
                self._blame(
                    f"{_place(key)}: {opened.dot(number)} was shown, and replaces {over}, a change of another cell"
                )
            elif change.kind is not Kind.BURY:  # A bury names what it saw in the record, and hides it.
                yield name_of(over)
        place = (key, opened.content.writer, chain)
        before = self._newest.get(place)
        if before is not None:
            yield before
        self._newest[place] = name_of(opened.dot(number))

    def _is_of(self, change: Change, over: Name) -> bool:
        """Whether what a change replaces is of its cell, or of its record for a bury; yes for what nobody has shown."""
        home = self._homes.get(over)
        if home is None:
            return True
        record, field = split_cell_key(home)
        return record == change.record and (change.kind is Kind.BURY or field == change.field)


def _place(key: bytes) -> str:
    record, field = split_cell_key(key)
    return f"{record.collection}/{record.key} field '{field}'"


def name_of(dot: Dot) -> Name:
    """A change's name, which no other has even if a writer's number was used twice."""
    return dot.mark, dot.index
