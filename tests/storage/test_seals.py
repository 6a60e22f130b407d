"""A row that was changed on the disk is noticed wherever it is read, and named.

Invariant: every single flipped bit of a row is found.
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.crdt.damage import rows
from mesh.crdt.replica import Rows, Table, Write
from mesh.errors import DamagedRow
from mesh.ids import MeshId
from mesh.storage.environment import LmdbReplica
from mesh.storage.seals import Seals

MESH = MeshId(b"m" * 16)
SEALS = Seals(MESH)

keys = st.binary(min_size=1, max_size=40)


@given(keys, st.binary(max_size=300), st.data())
def test_every_flipped_bit_of_a_row_or_its_key_is_found(key: bytes, value: bytes, data: st.DataObject) -> None:
    row = SEALS.close(Table.CELLS, key, value)
    assert SEALS.open(Table.CELLS, key, row) == value
    bit = data.draw(st.integers(0, len(key + row) * 8 - 1))
    flipped = bytearray(key + row)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DamagedRow):
        SEALS.open(Table.CELLS, bytes(flipped[: len(key)]), bytes(flipped[len(key) :]))


@given(st.dictionaries(keys, st.none() | st.binary(max_size=30), max_size=8))
def test_rows_that_are_closed_together_are_those_closed_one_by_one(rows: Rows) -> None:
    closed = [(key, SEALS.close(Table.CELLS, key, value)) for key, value in rows.items() if value is not None]
    assert SEALS.close_all(Table.CELLS, rows) == sorted(closed)


@given(keys, st.binary(max_size=300))
def test_a_row_of_another_table_or_mesh_does_not_fit(key: bytes, value: bytes) -> None:
    row = SEALS.close(Table.CELLS, key, value)
    with pytest.raises(DamagedRow):
        SEALS.open(Table.FATES, key, row)
    with pytest.raises(DamagedRow):
        Seals(MeshId(b"o" * 16)).open(Table.CELLS, key, row)
    with pytest.raises(DamagedRow):
        SEALS.open(Table.CELLS, key, row[: len(row) % 4])


@pytest.mark.live
def test_a_flipped_bit_in_a_file_is_named_and_heard_of_and_its_neighbours_are_read(tmp_path: Path) -> None:
    def opened() -> LmdbReplica:
        return LmdbReplica.open(tmp_path, Table, mesh=MESH, durable=True)

    replica = opened()
    replica.write([Write(Table.CELLS, b"key %d" % n, b"value %d" % n) for n in range(3)])
    replica.close()
    data = tmp_path / "data.mdb"
    data.write_bytes(data.read_bytes().replace(b"value 1", b"value 9"))
    replica = opened()
    heard: list[DamagedRow] = []
    replica.on_damage = heard.append
    with replica.read() as reader:
        assert reader.get(Table.CELLS, b"key 0") == b"value 0"
        assert list(rows(reader, Table.CELLS)) == [(b"key 0", b"value 0"), (b"key 1", None), (b"key 2", b"value 2")]
        with pytest.raises(DamagedRow, match=b"key 1".hex()):
            reader.get(Table.CELLS, b"key 1")
    assert [(damaged.table, damaged.key) for damaged in heard] == [(Table.CELLS, b"key 1")] * 2
    replica.write([Write(Table.CELLS, b"key 1", b"value 1")])
    with replica.read() as reader:
        assert reader.get(Table.CELLS, b"key 1") == b"value 1"
    replica.close()
