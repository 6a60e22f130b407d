"""Whatever is damaged in a file, what is read out of it was once written into it."""

from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.crdt.replica import Table, Write
from mesh.ids import MeshId
from mesh.storage.environment import LEDGER_TABLES, LmdbReplica
from mesh.storage.files import DATA_NAME
from mesh.storage.salvage import salvage

MESH = MeshId(b"the mesh of test")
SIZES = (0, 40, 300, 2_000, 9_000, 70_000)

Rows = dict[tuple[Table, bytes], bytes]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Rows]:
    """A file of lasting rows of all sizes, and of cells; and the rows."""
    place, chance = tmp_path_factory.mktemp("salvage"), Random(1)
    rows = {(Table.BATCHES, chance.randbytes(24)): chance.randbytes(SIZES[n % len(SIZES)]) for n in range(90)}
    rows |= {(Table.CERTIFICATES, chance.randbytes(32)): chance.randbytes(700) for _ in range(5)}
    rows |= {(Table.ENDS, chance.randbytes(16)): chance.randbytes(200) for _ in range(5)}
    replica = LmdbReplica.open(place, LEDGER_TABLES, mesh=MESH, durable=True)
    for table, key in rows:
        replica.write([Write(table, key, rows[table, key]), Write(Table.CELLS, key[:12], b"a value")])
    replica.close()
    return (place / DATA_NAME).read_bytes(), rows


def found_in(place: Path, content: bytes, mesh: MeshId = MESH) -> Rows:
    (place / DATA_NAME).write_bytes(content)
    replica = salvage(place, mesh)
    return {(table, key): row for table in Table for key, row in replica.scan(table)}


def test_all_of_a_sound_file_is_found_and_nothing_of_another_meshs(tmp_path: Path, written: tuple[bytes, Rows]) -> None:
    content, rows = written
    assert found_in(tmp_path, content) == rows
    assert found_in(tmp_path, content, MeshId(b"another mesh 016")) == {}


def test_without_its_first_pages_and_cut_short_the_rest_is_found(tmp_path: Path, written: tuple[bytes, Rows]) -> None:
    content, rows = written
    assert found_in(tmp_path, bytes(8192) + content[8192:]) == rows
    half = found_in(tmp_path, content[: len(content) // 2 + 77])
    assert 0 < len(half) < len(rows)
    assert half.items() <= rows.items()
    assert found_in(tmp_path, b"") == {}


@given(
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=40)), min_size=1, max_size=30)
)
def test_whatever_bytes_stand_anywhere_only_what_was_written_is_found(
    tmp_path_factory: pytest.TempPathFactory, written: tuple[bytes, Rows], spoilt: list[tuple[float, bytes]]
) -> None:
    content, rows = bytearray(written[0]), written[1]
    for share, junk in spoilt:
        place = int(share * len(content))
        content[place : place + len(junk)] = junk[: len(content) - place]
    found = found_in(tmp_path_factory.getbasetemp(), bytes(content))
    assert found.items() <= rows.items()
