"""What every row in a file carries so that a flipped bit is noticed: a check of its mesh, table, key and value.

Invariant: what `open` returns is what `close` was given under the same mesh, table and key; anything else is a DamagedRow.

CRC-32 finds every burst of up to 32 bits for certain and anything else but once in four thousand million times. It is no proof
against people: what people could forge is signed. It starts from the mesh, the table and the key, so that a row which has
wandered to another place is found, too. LMDB 0.9 has no checks of its own, and those of LMDB 1.0 can't be reached from Python.
"""

from struct import Struct
from zlib import crc32

from mesh.crdt.replica import Rows, Table
from mesh.errors import DamagedRow
from mesh.ids import MeshId

SEAL_BYTES = 4
_RESIDUE = 0x2144DF1C  # The CRC-32 of any bytes with their own CRC-32 behind them, lowest byte first.
_check = Struct("<I").pack


class Seals:
    """Puts the check on rows of one mesh, and takes it off."""

    def __init__(self, mesh: MeshId) -> None:
        self._starts = {table: crc32(table.encode(), crc32(mesh)) for table in Table}

    def close(self, table: Table, key: bytes, value: bytes) -> bytes:
        """The row to store: `value` and its check."""
        return value + _check(crc32(value, crc32(key, self._starts[table])))

    def close_all(self, table: Table, rows: Rows) -> list[tuple[bytes, bytes]]:
        """`close` for all rows of a table that have a value, in the order of their keys."""
        start, check, crc = self._starts[table], _check, crc32
        return [
            (key, value + check(crc(value, crc(key, start))))
            for key, value in sorted(rows.items())
            if value is not None
        ]

    def open(self, table: Table, key: bytes, row: bytes) -> bytes:
        """The value in a stored row. Raises DamagedRow."""
        if crc32(row, crc32(key, self._starts[table])) != _RESIDUE:
            raise DamagedRow(table, key)
        return row[:-SEAL_BYTES]
