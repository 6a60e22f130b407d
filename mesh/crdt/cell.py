"""A cell: the live siblings of one field of one record.

Invariant: siblings are ordered by (stamp, batch hash mark, dot), newest last, and no two have the same dot.
"""

from collections.abc import Callable, Iterable

import msgspec
from msgspec import Struct

from mesh.crdt.batch import Kind
from mesh.ids import Dot, WriterId


class Sibling(Struct, frozen=True, array_like=True, gc=False):
    """One live value of a cell. For a bury, `over` holds the dots in the record that it was made over."""

    dot: Dot
    stamp: int
    author: str
    kind: Kind
    value: bytes
    over: tuple[Dot, ...] = ()


Cell = tuple[Sibling, ...]

Alone = tuple[tuple[tuple[WriterId, int, int, bytes], int, str, Kind, bytes, tuple[Dot, ...]]]
"""A cell with one sibling, as plain tuples: its dot, stamp, author, kind, value and `over`."""

_encode = msgspec.msgpack.Encoder().encode
encode_alone: Callable[[Alone], bytes] = (
    _encode  # As `encode_cell`, without making the sibling: most fields are written once.
)
_decode = msgspec.msgpack.Decoder(tuple[Sibling, ...]).decode


def encode_cell(cell: Cell) -> bytes:
    """A cell as one row of CELLS."""
    return _encode(cell)


def decode_cell(row: bytes | None) -> Cell:
    """The cell in a row of CELLS; no row is an empty cell."""
    return () if row is None else _decode(row)


def ranked(siblings: Iterable[Sibling]) -> Cell:
    """Siblings in their one order: what is shown stands last."""
    return tuple(sorted(siblings, key=lambda s: (s.stamp, s.dot.mark, s.dot)))


def shown(cell: Cell) -> Sibling | None:
    """The sibling to show: the one with the highest (stamp, batch hash)."""
    return cell[-1] if cell else None


def is_conflict(cell: Cell) -> bool:
    """Whether concurrent siblings differ. Equal bytes are no conflict: the same import made on both sides of a cut."""
    return any((sibling.kind, sibling.value) != (cell[0].kind, cell[0].value) for sibling in cell[1:])
