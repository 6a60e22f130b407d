"""A file is read without a trace, copied while it is used, and no damage in it goes unnoticed.

Invariant: a byte changed anywhere in a file is in free space, or refused when the file is opened, or named by the verification.
"""

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from mesh.crdt.compose import Put
from mesh.crdt.damage import Tolerant
from mesh.crdt.replica import Table, Write
from mesh.crdt.verify import verify_replica
from mesh.errors import StorageError
from mesh.ids import MeshId, RecordId
from mesh.storage.copies import copy_file, copy_live, read_only
from mesh.storage.environment import LEDGER_TABLES, LmdbReplica
from mesh.storage.files import DATA_NAME
from mesh.storage.opening import Shape
from sim.trust import CheapTrust
from tests.crdt.site import MESH, Site

SHAPE = Shape(LEDGER_TABLES, MESH, durable=True)
FLIPS = 150
Rows = dict[Table, list[tuple[bytes, bytes]]]

pytestmark = pytest.mark.live


def filled(path: Path) -> Path:
    """A closed file with the ledger of a node that wrote for a while, and free pages in between."""
    site = Site("a")
    for number in range(120):
        record = RecordId("variable", f"v{number % 40}")
        site.write(Put(record, "value", "x" * (number * 7)), Put(record, "note", number))
    replica = LmdbReplica.open(path, LEDGER_TABLES, mesh=MESH, durable=True)
    for table in Table:
        for key, row in site.disk.scan(table):
            replica.write([Write(table, key, row)])
    replica.close()
    return path


def rows_of(path: Path) -> Rows:
    with read_only(path, SHAPE) as reader:
        return {table: list(reader.scan(table)) for table in LEDGER_TABLES}


def damage(path: Path, at: int, mask: int) -> None:
    with open(path / DATA_NAME, "r+b") as file:
        file.seek(at)
        old = file.read(1)[0]
        file.seek(at)
        file.write(bytes([old ^ mask]))


def test_a_flipped_byte_is_refused_named_or_in_free_space(tmp_path: Path) -> None:
    good = filled(tmp_path / "good")
    rows, size = rows_of(good), (good / DATA_NAME).stat().st_size
    copy = tmp_path / "copy"
    copy.mkdir()
    copy_file(good, copy)
    rng = Random(1)
    named = free = 0
    refused: list[str] = []
    for _ in range(FLIPS):
        flip = rng.randrange(size), 1 << rng.randrange(8)
        damage(copy, *flip)
        try:
            with read_only(copy, SHAPE) as reader:
                report = verify_replica(reader, MESH, CheapTrust("x"))
                seen = Tolerant(reader)
                found = {table: list(seen.scan(table)) for table in LEDGER_TABLES}
        except StorageError as refusal:
            refused.append(str(refusal))
        else:
            unverified = {Table.META: [], Table.BOOK: []}  # The life of a node, not its ledger.
            assert report.is_whole == ({**found, **unverified} == {**rows, **unverified}), flip
            named, free = named + (not report.is_whole), free + report.is_whole
        damage(copy, *flip)
    assert min(len(refused), named, free) > 0, (len(refused), named, free)
    assert [said for said in refused if not any(word in said for word in ("damaged", "schema", "mesh"))] == []
    assert rows_of(copy) == rows


def test_reading_leaves_no_trace(tmp_path: Path) -> None:
    path = filled(tmp_path / "file")
    for leftover in ("lock.mdb", "in-use"):
        (path / leftover).unlink()
    before = (path / DATA_NAME).read_bytes()
    rows_of(path)
    assert (path / DATA_NAME).read_bytes() == before
    assert [entry.name for entry in path.iterdir()] == [DATA_NAME]


def test_what_is_no_ledger_of_this_mesh_is_refused_untouched(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="holds no database"), read_only(tmp_path, SHAPE):
        pass
    LmdbReplica.open(tmp_path, (Table.META,), mesh=MESH, durable=True).close()
    before = (tmp_path / DATA_NAME).read_bytes()
    with pytest.raises(StorageError, match="a table is missing"), read_only(tmp_path, SHAPE):
        pass
    other = Shape((Table.META,), MeshId(b"o" * 16), durable=True)
    with pytest.raises(StorageError, match="belongs to mesh"), read_only(tmp_path, other):
        pass
    assert (tmp_path / DATA_NAME).read_bytes() == before


def test_a_file_that_another_process_writes_is_copied_whole(tmp_path: Path) -> None:
    busy, target = tmp_path / "busy", tmp_path / "target"
    target.mkdir()
    writing = (
        "import sys; from pathlib import Path; from mesh.crdt.replica import Table, Write\n"
        "from mesh.storage.environment import LEDGER_TABLES, LmdbReplica\n"
        f"replica = LmdbReplica.open(Path(sys.argv[1]), LEDGER_TABLES, mesh={MESH!r}, durable=True)\n"
        "for n in range(100_000):\n"
        "    value = str(n).encode()\n"
        "    replica.write([Write(Table.META, b'one', value), Write(Table.CELLS, b'two', value * 500)])\n"
        "    if n == 20: print('busy', flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", writing, str(busy)], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"busy\n"
            copy_live(busy, target, SHAPE)
        finally:
            process.kill()
    with read_only(target, SHAPE) as reader:
        value = reader.get(Table.META, b"one")
        assert value is not None
        assert int(value) >= 20
        assert reader.get(Table.CELLS, b"two") == value * 500
