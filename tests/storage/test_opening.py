"""A file is recognised as this mesh's own, and a damaged one never gets as far as being mapped.

Invariant: a file that is refused is left as it was; only soft files are ever set aside.
"""

import os
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest

from mesh.crdt.replica import Table, Write
from mesh.errors import StorageError
from mesh.ids import MeshId
from mesh.storage.environment import LmdbReplica

MESH = MeshId(b"m" * 16)
OTHER_MESH = MeshId(b"o" * 16)
DATA = "data.mdb"

pytestmark = pytest.mark.live


def opened(path: Path, mesh: MeshId = MESH, durable: bool = True) -> LmdbReplica:
    return LmdbReplica.open(path, Table, mesh=mesh, durable=durable)


def filled(path: Path, durable: bool = True) -> Path:
    """A closed file with some hundred pages in it."""
    replica = opened(path, durable=durable)
    for part in range(4):
        replica.write([Write(Table.CELLS, b"%d.%d" % (part, n), b"v" * 3000) for n in range(100)])
    replica.close()
    return path


def test_another_mesh_is_refused_by_both_names(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with pytest.raises(StorageError) as caught:
        opened(tmp_path, mesh=OTHER_MESH)
    assert MESH.hex() in str(caught.value)
    assert OTHER_MESH.hex() in str(caught.value)
    opened(tmp_path).close()


def _raw(path: Path, change: Callable[[lmdb.Environment, lmdb.Transaction], object]) -> None:
    environment = lmdb.open(str(path), max_dbs=20)
    with environment.begin(write=True) as transaction:
        change(environment, transaction)
    environment.close()


def test_another_schema_is_refused_by_both_numbers(tmp_path: Path) -> None:
    opened(tmp_path).close()
    _raw(tmp_path, lambda env, txn: txn.put(b"schema", b"77", db=env.open_db(b"about", txn=txn)))
    with pytest.raises(StorageError, match="has schema 77, and this program reads schemas 1 to 2"):
        opened(tmp_path)


def test_an_lmdb_file_of_someone_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    _raw(tmp_path, lambda env, txn: txn.put(b"theirs", b"1"))
    before = (tmp_path / DATA).read_bytes()
    with pytest.raises(StorageError, match="not of the mesh"):
        opened(tmp_path)
    assert (tmp_path / DATA).read_bytes() == before


def _zeroed(path: Path) -> None:
    with open(path, "r+b") as file:
        file.write(bytes(8192))


def _hole(path: Path) -> None:
    with open(path, "r+b") as file:
        file.seek(20 * 4096)
        file.write(bytes(200 * 4096))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "garbage": lambda path: path.write_bytes(bytes(range(256)) * 400),
    "another format": lambda path: path.write_bytes(b"SQLite format 3\0" + bytes(9000)),
    "both meta pages zeroed": _zeroed,
    "half": lambda path: os.truncate(path, path.stat().st_size // 2 // 4096 * 4096),
    "one page short": lambda path: os.truncate(path, path.stat().st_size - 4096),
    "two pages": lambda path: os.truncate(path, 8192),
    "one page": lambda path: os.truncate(path, 4096),
    "100 bytes": lambda path: os.truncate(path, 100),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_ledger_is_refused_with_what_to_do(damage: str, tmp_path: Path) -> None:
    DAMAGES[damage](filled(tmp_path) / DATA)
    before = (tmp_path / DATA).read_bytes()
    with pytest.raises(StorageError, match="restore a backup or start empty"):
        opened(tmp_path)
    assert (tmp_path / DATA).read_bytes() == before


@pytest.mark.parametrize("damage", [*DAMAGES.values(), _hole], ids=[*DAMAGES, "a hole"])
def test_damaged_boards_are_set_aside_and_begun_anew(damage: Callable[[Path], object], tmp_path: Path) -> None:
    damage(filled(tmp_path, durable=False) / DATA)
    replica = opened(tmp_path, durable=False)
    replica.write([Write(Table.BOARDS, b"k", b"v")])
    with replica.read() as reader:
        assert list(reader.scan(Table.CELLS)) == []
    replica.close()
    assert (tmp_path / f"{DATA}.unreadable").exists()


def test_boards_of_another_mesh_are_not_set_aside(tmp_path: Path) -> None:
    filled(tmp_path, durable=False)
    with pytest.raises(StorageError, match="belongs to mesh"):
        opened(tmp_path, mesh=OTHER_MESH, durable=False)
