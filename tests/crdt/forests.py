"""Random trees of batches: writers that are copied now and then, and write over and after whatever exists.

Invariant: one seed and size give one forest; every batch stands behind those that it names and that it follows on.
"""

from random import Random

from mesh.crdt.batch import Batch, Change, Kind, OpenBatch, encode_value, open_batch
from mesh.ids import Dot, Head, RecordId
from tests.crdt.histories import FIELDS, RECORDS
from tests.crdt.site import MESH, Pen

PENS_MAX = 7


class Forest:
    """Pens that are copied now and then and write what they like, over and after whatever exists by then."""

    def __init__(self, rng: Random, pens_max: int = PENS_MAX) -> None:
        self.pens = [Pen("x"), Pen("b")]
        self._pens_max = pens_max
        self.batches: list[Batch] = []
        self.opened: list[OpenBatch] = []
        self._rng = rng

    def grow(self) -> None:
        pen = self._rng.choice(self.pens)
        if self._rng.random() < 0.3 and len(self.pens) < self._pens_max:
            self.pens.append(pen.copy())
            return
        self.batches.append(pen.next(*self._changes(), after=self._after(), **self._stamp()))
        self.opened.append(open_batch(self.batches[-1], MESH))

    def _changes(self) -> tuple[Change, ...]:
        cells = [(record, field) for record in RECORDS for field in (*FIELDS, "")]
        return tuple(self._change(*cell) for cell in self._rng.sample(cells, self._rng.randrange(3)))

    def _change(self, record: RecordId, field: str) -> Change:
        if field:
            value = encode_value(self._rng.randrange(3))
            return Change(record, field, Kind.PUT, value, self._over(record, field))
        kind = self._rng.choice((Kind.BURY, Kind.RESTORE))
        return Change(record, "", kind, b"", self._over(record, None if kind is Kind.BURY else ""))

    def _over(self, record: RecordId, field: str | None) -> tuple[Dot, ...]:
        dots = [
            opened.dot(index)
            for opened in self.opened
            for index, change in enumerate(opened.content.changes)
            if change.record == record and (field is None or change.field == field or self._rng.random() < 0.02)
        ]
        return tuple(self._rng.sample(dots, min(len(dots), self._rng.randrange(3))))

    def _after(self) -> tuple[Head, ...]:
        some = self._rng.sample(self.opened, min(len(self.opened), self._rng.randrange(3)))
        return tuple(opened.head for opened in some)

    def _stamp(self) -> dict[str, int]:
        return {"stamp": self._rng.randrange(1, 9)} if self._rng.random() < 0.1 else {}


def forest(seed: int, size: int, pens_max: int = PENS_MAX) -> list[Batch]:
    grown = Forest(Random(seed), pens_max)
    for _ in range(size):
        grown.grow()
    return grown.batches
