"""A file of an older schema is copied and migrated, and is wholly old or wholly new whatever happens.

Invariant: what was in the file before is in it afterwards; the copy beside it holds it as it was.
"""

import os
import shutil
import signal
import sys
from pathlib import Path
from random import Random
from types import FrameType

import lmdb
import pytest

from mesh.crdt.replica import Table
from mesh.crdt.verify import verify_replica
from mesh.errors import StorageError
from mesh.storage.copies import read_only
from mesh.storage.environment import LEDGER_TABLES, LmdbReplica
from mesh.storage.migrations import SCHEMA
from mesh.storage.opening import Shape
from mesh.storage.seals import Seals
from sim.trust import CheapTrust
from tests.crdt.site import MESH

FIXTURE = Path(__file__).parent / "fixtures" / "schema-1"  # Written by the last program that knew schema 1 alone.
SHAPE = Shape(LEDGER_TABLES, MESH, durable=True)
KILLS = 25

pytestmark = pytest.mark.live

Rows = dict[str, list[tuple[bytes, bytes]]]


def old_file(place: Path) -> Path:
    place.mkdir(parents=True)
    shutil.copy(FIXTURE / "data.mdb", place / "data.mdb")
    return place


def opened(place: Path) -> LmdbReplica:
    return LmdbReplica.open(place, LEDGER_TABLES, mesh=MESH, durable=True)


def read(place: Path) -> Rows:
    """All rows as the program reads them, whatever the schema."""
    with read_only(place, SHAPE) as reader:
        return {table: list(reader.scan(table)) for table in LEDGER_TABLES}


def raw(place: Path) -> tuple[bytes, Rows]:
    """The schema in the file, and all rows as they stand there."""
    environment = lmdb.open(str(place), readonly=True, lock=False, max_dbs=20)
    mark = environment.open_db(b"about")
    with environment.begin() as reading:
        there = [bytes(name) for name in reading.cursor().iternext(values=False)]
    databases = {t: environment.open_db(t.encode(), create=False) for t in LEDGER_TABLES if t.encode() in there}
    with environment.begin() as reading:
        schema = reading.get(b"schema", db=mark)
        found: Rows = {table: [] for table in LEDGER_TABLES}
        found |= {table: list(reading.cursor(db=database)) for table, database in databases.items()}
    environment.close()
    assert schema is not None
    return schema, found


def _without_buckets(rows: Rows) -> Rows:
    return {table: found for table, found in rows.items() if table != Table.BUCKETS}


def test_a_file_of_the_first_schema_is_read_as_it_is(tmp_path: Path) -> None:
    place = old_file(tmp_path / "ledger")
    with read_only(place, SHAPE) as reader:
        report = verify_replica(reader, MESH, CheapTrust("x"))
    assert {difference.table for difference in report.differences} == {Table.BUCKETS}, "salted since, in schema 2"
    assert (place / "data.mdb").read_bytes() == (FIXTURE / "data.mdb").read_bytes()


def test_a_file_of_the_first_schema_is_copied_migrated_and_whole(tmp_path: Path) -> None:
    place = old_file(tmp_path / "ledger")
    before = read(place)
    replica = opened(place)
    assert replica.migration is not None
    assert (replica.migration.before, replica.migration.after) == (1, SCHEMA)
    copy = Path(replica.migration.copy)
    assert str(copy) in str(replica.migration)
    replica.close()
    assert raw(copy) == raw(FIXTURE)
    assert _without_buckets(read(place)) == _without_buckets(before)
    with read_only(place, SHAPE) as reader:
        assert verify_replica(reader, MESH, CheapTrust("x")).is_whole
    again = opened(place)
    assert again.migration is None
    again.close()


def test_every_row_of_a_migrated_file_carries_its_check(tmp_path: Path) -> None:
    place = old_file(tmp_path / "ledger")
    opened(place).close()
    schema, rows = raw(place)
    assert schema == b"%d" % SCHEMA
    seals, old = Seals(MESH), raw(FIXTURE)[1]
    unsealed = {t: [(k, seals.open(Table(t), k, v)) for k, v in found] for t, found in rows.items()}
    assert _without_buckets(unsealed) == _without_buckets(old)


def test_a_soft_file_is_migrated_without_a_copy(tmp_path: Path) -> None:
    place = old_file(tmp_path / "boards")
    replica = LmdbReplica.open(place, LEDGER_TABLES, mesh=MESH, durable=False)
    assert replica.migration is not None
    assert replica.migration.copy == ""
    replica.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["boards"]


def test_a_disk_that_takes_no_copy_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    place = old_file(tmp_path / "ledger")
    (tmp_path / ".ledger.schema-1.new").write_bytes(b"in the way")
    with pytest.raises(StorageError):
        opened(place)
    assert raw(place) == raw(FIXTURE)


def test_a_migration_that_is_killed_anywhere_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    place, rng = old_file(tmp_path / "ledger"), Random(2)
    before = raw(place)
    opened(old_file(tmp_path / "migrated")).close()
    after = read(tmp_path / "migrated")
    calls = _migrate(old_file(tmp_path / "counted"), sys.maxsize)
    old = 0
    for at in [*(rng.randrange(calls) for _ in range(KILLS - 1)), calls - 1]:  # The last one comes behind the commit.
        _migrate(place, at)
        schema, rows = raw(place)
        old += schema == b"1"
        assert (schema, rows) == before if schema == b"1" else read(place) == after
        if schema != b"1":
            shutil.rmtree(place)
            old_file(place)
    assert 0 < old < KILLS
    opened(place).close()
    assert read(place) == after
    copies = [entry for entry in tmp_path.iterdir() if entry.name.startswith("ledger.schema-1")]
    assert [raw(copy) for copy in copies] == [before]


def _migrate(place: Path, calls_max: int) -> int:
    """Open the file in a child that kills itself at its `calls_max`-th call. Returns how many calls it made, if it lived."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        calls = 0

        def count(frame: FrameType, event: str, about: object) -> None:
            nonlocal calls
            calls += 1
            if calls > calls_max:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(count)
        opened(place).close()
        sys.setprofile(None)
        os.write(writing, b"%d" % calls)
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        heard = pipe.read()
    os.waitpid(child, 0)
    return int(heard or b"0")
