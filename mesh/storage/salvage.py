"""What can still be read of a database whose pages are damaged: each row by itself, without the trees that led to it.

Invariant: nothing is mapped and the file is not touched; a row is taken only if its check fits this mesh, its table and its key
(`mesh.storage.seals`), so no damage and no foreign file can bring in another one.

Rows of the log never change once they are written, so an old copy of one on a page that was given up since is as good. Of tables
whose rows change (cells, lines, marks of the node's life) nothing is taken: they follow from the log. Layout: LMDB 0.9, mdb.c.
"""

from collections.abc import Iterator
from pathlib import Path
from struct import Struct

from mesh.crdt.replica import MemoryReplica, Table, Write
from mesh.errors import DamagedRow
from mesh.ids import MeshId
from mesh.storage.files import DATA_NAME
from mesh.storage.seals import Seals

LASTING = (Table.BATCHES, Table.CERTIFICATES, Table.ENDS, Table.ENDED)
PAGE_BYTES = 4096  # Of a file with an unreadable first page; a file made on a machine with larger pages says so there.
PAGE_BYTES_MAX = 65_536
HEADER_BYTES = 16
LEAF, LEAF2, BIG = 0x02, 0x20, 0x01

_header = Struct("<QHHHH").unpack_from  # Page number, pad, flags, lower, upper.
_node = Struct("<HHHH").unpack_from  # Low and high half of the value's size, flags, the key's size.
_offset = Struct("<H").unpack_from
_number = Struct("<Q").unpack_from
_META_PAGE_BYTES_AT = (
    HEADER_BYTES + 24
)  # The page size stands in the first field of the first of a meta page's databases.


def salvage(path: Path, mesh: MeshId) -> MemoryReplica:
    """All rows of the lasting tables that can be read in the file in directory `path`. Raises OSError."""
    found = MemoryReplica()
    seals = Seals(mesh)
    with open(path / DATA_NAME, "rb") as file:
        content = file.read()
    for key, row in _pairs(memoryview(content), _page_bytes(content)):
        for table in LASTING:
            try:
                value = seals.open(table, key, row)
            except DamagedRow:
                continue
            found.write((Write(table, key, value),))
            break
    return found


def _page_bytes(content: bytes) -> int:
    for start in (0, PAGE_BYTES):
        if len(content) >= start + _META_PAGE_BYTES_AT + 4:
            said = int.from_bytes(content[start + _META_PAGE_BYTES_AT : start + _META_PAGE_BYTES_AT + 4], "little")
            if 512 <= said <= PAGE_BYTES_MAX and said & (said - 1) == 0:
                return said
    return PAGE_BYTES


def _pairs(content: memoryview, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values on all leaf pages, as far as what describes them makes sense."""
    for start in range(0, len(content) - size + 1, size):
        _, _, flags, lower, _ = _header(content, start)
        if not flags & LEAF or flags & LEAF2 or not HEADER_BYTES <= lower <= size:
            continue
        page = content[start : start + size]
        for at in range(HEADER_BYTES, lower - 1, 2):
            if (pair := _pair(page, _offset(page, at)[0], content)) is not None:
                yield pair


def _pair(page: memoryview, at: int, content: memoryview) -> tuple[bytes, bytes] | None:
    size = len(page)
    if not HEADER_BYTES <= at <= size - 8:
        return None
    low, high, flags, key_bytes = _node(page, at)
    value_bytes = low | high << 16
    value_at = at + 8 + key_bytes
    if value_at > size:
        return None
    key = bytes(page[at + 8 : value_at])
    if not flags & BIG:
        return (key, bytes(page[value_at : value_at + value_bytes])) if value_at + value_bytes <= size else None
    if value_at + 8 > size:
        return None
    start = _number(page, value_at)[0] * size + HEADER_BYTES
    return (key, bytes(content[start : start + value_bytes])) if start + value_bytes <= len(content) else None
