"""What a proof of a cell is made of, read from a replica.

Invariant: a proof holds stored bytes only, and `check_proof` agrees to every proof that is made here of a live cell.
"""

from collections.abc import Iterable, Mapping

from mesh.crdt.batch import Batch, decode_batch, reread
from mesh.crdt.branches import line_of
from mesh.crdt.cell import Cell
from mesh.crdt.history import Place
from mesh.crdt.keys import batch_key
from mesh.crdt.lines import LineId
from mesh.crdt.proof import DOMAIN, Proof
from mesh.crdt.replica import Reader, Table
from mesh.ids import Dot, MeshId, RecordId


def prove_cell(reader: Reader, mesh: MeshId, name: tuple[RecordId, str], cell: Cell, *, replaced: bool) -> Proof:
    """The batches of a live cell of that record and field, and, if asked for, those that its values were made over."""
    live = tuple(sibling.dot for sibling in cell)
    batches = _batches(reader, live)
    over = [dot for one, batch in zip(live, batches, strict=True) for dot in reread(batch).changes[one.index].over]
    earlier = _batches(reader, (dot for dot in dict.fromkeys(over) if not _is_void(reader, dot))) if replaced else ()
    wanted = dict.fromkeys(reread(batch).certificate for batch in (*batches, *earlier))
    certificates = [reader.get(Table.CERTIFICATES, one) for one in wanted]
    return Proof(
        domain=DOMAIN,
        mesh=mesh,
        record=name[0],
        field=name[1],
        live=live,
        batches=batches,
        certificates=tuple(raw for raw in certificates if raw is not None),
        replaced=earlier,
    )


def _batches(reader: Reader, dots: Iterable[Dot]) -> tuple[Batch, ...]:
    rows = [read_batch(reader, (line_of(reader, dot), dot.number)) for dot in dots]
    return tuple(batch for batch in rows if batch is not None)


def _is_void(reader: Reader, dot: Dot) -> bool:
    return reader.get(Table.FATES, batch_key(line_of(reader, dot), dot.number)) is not None


def read_batch(reader: Reader, place: Place) -> Batch | None:
    """The batch in one row of the log."""
    row = reader.get(Table.BATCHES, batch_key(*place))
    return decode_batch(row) if row is not None else None


class Chains:
    """The batches behind some of the log, each line's up to `limit` bytes of all. Show it every row, each line's in order.

    `cut`: there are more. A void batch ends its line's: what makes it one may lie where who checks the proof does not see it.
    """

    def __init__(self, starts: Mapping[LineId, int], limit: int) -> None:
        self.found: list[Batch] = []
        self._starts, self._left = starts, limit
        self._ended: dict[
            LineId, None
        ] = {}  # A line whose next batch is not taken gets no later one: a chain has no gap.

    @property
    def cut(self) -> bool:
        """Whether there are more."""
        return bool(self._ended)

    def look(self, reader: Reader, place: Place, row: bytes) -> None:
        """Look at a row of the log."""
        line, number = place
        if line not in self._starts or number <= self._starts[line] or line in self._ended:
            return
        self._left -= len(row)
        if self._left < 0 or reader.get(Table.FATES, batch_key(*place)) is not None:
            self._ended[line] = None
        else:
            self.found.append(decode_batch(row))
