"""LmdbReplica keeps the contract of all replicas, and says clearly when it can't be opened.

Invariant: whatever is wrong with a file or a directory ends in a StorageError, never in another exception or a dead process.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh.crdt.replica import Table, Write
from mesh.errors import StorageError
from mesh.ids import MeshId
from mesh.storage.environment import LEDGER_TABLES, SOFT_TABLES, LmdbReplica
from tests.crdt.replica_contract import ReplicaContract, WritableReplica

MESH = MeshId(b"m" * 16)

pytestmark = pytest.mark.live


def opened(path: Path, map_bytes: int = 64 << 30) -> LmdbReplica:
    return LmdbReplica.open(path, Table, mesh=MESH, durable=True, map_bytes=map_bytes)


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `script` in a process of its own."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


class TestLmdbReplica(ReplicaContract):
    def made(self) -> Iterator[WritableReplica]:
        with tempfile.TemporaryDirectory() as directory:
            replica = LmdbReplica.open(directory, Table, mesh=MESH, durable=False)
            yield replica
            replica.close()


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[LmdbReplica]:
    made = opened(tmp_path / "ledger")
    yield made
    made.close()


def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.write([Write(Table.META, b"k", b"v")])
    first.close()
    second = opened(tmp_path)
    with second.read() as reader:
        assert reader.get(Table.META, b"k") == b"v"
    second.close()


def test_a_reader_sees_one_state_while_others_write(replica: LmdbReplica) -> None:
    replica.write([Write(Table.META, b"k", b"old")])
    with replica.read() as reader:
        replica.write([Write(Table.META, b"k", b"new"), Write(Table.META, b"l", b"new")])
        assert list(reader.scan(Table.META)) == [(b"k", b"old")]
    with replica.read() as reader:
        assert reader.get(Table.META, b"k") == b"new"


def test_a_value_stays_valid_after_its_reader_is_gone(replica: LmdbReplica) -> None:
    replica.write([Write(Table.META, b"k", b"v" * 3000)])
    with replica.read() as reader:
        value = reader.get(Table.META, b"k")
    replica.write([Write(Table.META, b"k", b"w" * 3000)])
    assert value == b"v" * 3000


def test_a_call_that_fails_half_way_leaves_nothing(replica: LmdbReplica) -> None:
    with pytest.raises(StorageError, match="1 to 511 bytes"):
        replica.write([Write(Table.META, b"k", b"v"), Write(Table.META, b"l" * 512, b"v")])
    with replica.read() as reader:
        assert list(reader.scan(Table.META)) == []


def test_a_full_map_is_a_storage_error_and_small_writes_still_work(tmp_path: Path) -> None:
    replica = opened(tmp_path, map_bytes=1 << 20)
    with pytest.raises(StorageError, match="has reached the size that was reserved"):
        replica.write([Write(Table.CELLS, b"%d" % n, b"v" * 4000) for n in range(1000)])
    replica.write([Write(Table.CELLS, b"k", b"v")])
    with replica.read() as reader:
        assert list(reader.scan(Table.CELLS)) == [(b"k", b"v")]
    replica.close()


def test_a_second_open_in_this_process_names_it(replica: LmdbReplica) -> None:
    with pytest.raises(StorageError, match=f"is in use by process {os.getpid()}"):
        opened(replica.path)
    replica.write([Write(Table.META, b"k", b"v")])


OPEN_IT = """
import sys
from mesh.crdt.replica import Table
from mesh.errors import StorageError
from mesh.storage.environment import LmdbReplica
try:
    LmdbReplica.open(sys.argv[1], Table, mesh=b"m" * 16, durable=True)
except StorageError as problem:
    print(problem)
"""


def test_a_second_open_in_another_process_names_the_first(replica: LmdbReplica) -> None:
    assert f"is in use by process {os.getpid()}" in run(OPEN_IT, replica.path).stdout


def test_a_closed_directory_can_be_opened_by_another_process(tmp_path: Path) -> None:
    opened(tmp_path).close()
    ended = run(OPEN_IT, tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


FORK = """
import os, sys
from mesh.crdt.replica import Table, Write
from mesh.errors import StorageError
from mesh.storage.environment import LmdbReplica
replica = LmdbReplica.open(sys.argv[1], Table, mesh=b"m" * 16, durable=True)
if (child := os.fork()) == 0:
    for use in (lambda: replica.read().__enter__(), lambda: replica.write([])):
        try:
            use()
        except StorageError as problem:
            print(problem, flush=True)
    replica.close()
    os._exit(0)
os.waitpid(child, 0)
replica.write([Write(Table.META, b"k", b"v")])
with replica.read() as reader:
    print(reader.get(Table.META, b"k"))
"""


def test_a_forked_child_is_refused_and_the_parent_goes_on(tmp_path: Path) -> None:
    ended = run(FORK, tmp_path)
    assert ended.stdout.count("can't be used after a fork") == 2, ended.stderr
    assert ended.stdout.endswith("b'v'\n")


def test_a_file_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="Mend that and restart"):
        opened(tmp_path / "file" / "ledger")


AS_NOBODY = f"""
import os, sys
import mesh.storage.environment, lmdb, lmdb.verify
if os.getuid() == 0:
    os.setuid(65534)
{OPEN_IT}
"""


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A directory with a database in it that nobody may write, on a path that everybody may walk."""
    directory = Path(tempfile.mkdtemp())
    opened(directory).close()
    for path in (*directory.iterdir(), directory):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield directory
    directory.chmod(0o755)
    shutil.rmtree(directory)


def test_a_read_only_directory_is_refused(read_only: Path) -> None:
    ended = run(AS_NOBODY, read_only)
    assert "may not be written" in ended.stdout, ended.stderr


def test_a_closed_file_says_so(tmp_path: Path) -> None:
    replica = opened(tmp_path)
    replica.close()
    replica.close()
    with pytest.raises(StorageError, match="was closed"), replica.read():
        pass


def test_ledger_and_soft_tables_are_all_tables() -> None:
    assert sorted((*LEDGER_TABLES, *SOFT_TABLES)) == sorted(Table)
