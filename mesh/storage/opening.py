"""How an LMDB file is opened, checked, and recognised as this mesh's own.

Invariant: no page beyond the end of the file is ever mapped for reading (that kills the process), and a file of another mesh or
another schema is left untouched.

Durable files (the ledger) use LMDB's default: data and meta page are synced in each commit. Soft files (the boards) use
`metasync=False`: the data is synced before the meta page is written, and the meta page with the next commit. So a power cut may
lose the last commit of a soft file and leaves it readable; `sync=False` would promise neither. As a second line, a soft file is
verified whole before it is opened, and one that does not pass is set aside and begun anew: boards come back within seconds.
"""

import os
from pathlib import Path
from typing import TypeAlias

import lmdb
from lmdb.verify import VerifyError, verify
from msgspec import Struct

from mesh.crdt.replica import Table
from mesh.errors import StorageError
from mesh.ids import MeshId
from mesh.storage.faults import RESTORE, UnreadableFile, explained
from mesh.storage.files import sync_directory

SCHEMA = 1  # Grows whenever an older program would misread the tables.
MAP_BYTES = (
    64 << 30
)  # An address reservation, not space: never resized in normal life, because resizing ends every reader.
READERS_MAX = 2048  # Reader slots in the sparse lock file; a killed process leaves its slots until the next open.
SPARE_READERS = 8  # Read transactions kept for reuse; overlays and queries nest a few deep.
DATA_NAME = "data.mdb"

_MARK = b"about"  # A database of this package's own: what the file is, and whose.
_SCHEMA_KEY = b"schema"
_MESH_KEY = b"mesh"

Databases: TypeAlias = "dict[Table, lmdb._Database]"


class Shape(Struct, frozen=True):
    """What a file has to be: its tables, its mesh, whether it is durable, and how large its map is."""

    tables: tuple[Table, ...]
    mesh: MeshId
    durable: bool
    map_bytes: int = MAP_BYTES


def open_environment(path: Path, shape: Shape) -> tuple[lmdb.Environment, Databases]:
    """Open the file in directory `path`, or make it. Raises StorageError; a durable file is then as it was."""
    try:
        if not shape.durable:
            verify_structure(path)
        return _open(path, shape)
    except UnreadableFile:
        if shape.durable:
            raise
        _set_aside(path)
        return _open(path, shape)


def _open(path: Path, shape: Shape) -> tuple[lmdb.Environment, Databases]:
    fresh = not _size(path)
    try:
        environment = _environment(path, shape)
    except (lmdb.Error, OSError) as problem:
        raise explained(problem, path) from problem
    try:
        _check_length(path, environment)
        environment.reader_check()
        databases = _recognise(path, environment, shape)
        if fresh:
            sync_directory(path)
            sync_directory(path.parent)
    except (lmdb.Error, OSError) as problem:
        environment.close()
        raise explained(problem, path) from problem
    except StorageError:
        environment.close()
        raise
    return environment, databases


def _environment(path: Path, shape: Shape) -> lmdb.Environment:
    return lmdb.open(
        str(path),
        map_size=shape.map_bytes,
        metasync=shape.durable,
        mode=0o600,
        max_readers=READERS_MAX,
        max_dbs=len(shape.tables) + 1,
        max_spare_txns=SPARE_READERS,
        lib_version=0,  # The 0.9 format, whatever the environment variable says; the two cannot read each other.
    )


def _size(path: Path) -> int:
    try:
        return (path / DATA_NAME).stat().st_size
    except FileNotFoundError:
        return 0
    except OSError as problem:
        raise explained(problem, path) from problem


def _check_length(path: Path, environment: lmdb.Environment) -> None:
    """A file may rightly end before its last page if that one was given up unwritten; the verifier knows the difference."""
    wanted = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    if _size(path) < wanted:
        verify_structure(path)


def verify_structure(path: Path) -> None:
    """Walk all pages of the file in directory `path` without mapping it. Raises StorageError where one is not as it has to be."""
    if not _size(path):
        return
    try:
        problems: list[str] = verify(str(path))  # type: ignore[no-untyped-call]
    except VerifyError as problem:
        problems = [str(problem)]
    except OSError as problem:
        raise explained(problem, path) from problem
    if problems:
        raise UnreadableFile(f"{path / DATA_NAME} is damaged or cut short ({problems[0]}). {RESTORE}")


def _recognise(path: Path, environment: lmdb.Environment, shape: Shape) -> Databases:
    """Open the tables, in one transaction with the check of whose they are."""
    with environment.begin(write=True) as change:
        fresh = change.stat()["entries"] == 0
        mark = environment.open_db(_MARK, txn=change)
        if fresh:
            change.put(_SCHEMA_KEY, str(SCHEMA).encode(), db=mark)
            change.put(_MESH_KEY, shape.mesh, db=mark)
        _check_mark(path, change.get(_SCHEMA_KEY, db=mark), change.get(_MESH_KEY, db=mark), shape.mesh)
        return {table: environment.open_db(table.encode(), txn=change) for table in shape.tables}


def open_tables(path: Path, environment: lmdb.Environment, shape: Shape) -> Databases:
    """The tables of a file that is open for reading alone. Raises StorageError where it is not what `shape` says."""
    try:
        mark = environment.open_db(_MARK, create=False)
        databases = {table: environment.open_db(table.encode(), create=False) for table in shape.tables}
    except lmdb.NotFoundError as problem:
        raise UnreadableFile(f"{path / DATA_NAME} is damaged: a table is missing ({problem}). {RESTORE}") from problem
    with environment.begin() as reading:
        _check_mark(path, reading.get(_SCHEMA_KEY, db=mark), reading.get(_MESH_KEY, db=mark), shape.mesh)
    return databases


def _check_mark(path: Path, schema: bytes | None, mesh: bytes | None, wanted: MeshId) -> None:
    if schema is None or mesh is None:
        raise StorageError(
            f"{path} holds an LMDB database that is not of the mesh. Give this node a directory of its own."
        )
    if schema != str(SCHEMA).encode():
        found = schema.decode("utf-8", "replace")
        raise StorageError(
            f"{path} has schema {found}, and this program reads schema {SCHEMA}. Run the version of the mesh that wrote it."
        )
    if mesh != wanted:
        raise StorageError(
            f"{path} belongs to mesh {mesh.hex()}, and this node to mesh {wanted.hex()}. "
            "Give this node a directory of its own, or start it in the mesh that the directory belongs to."
        )


def _set_aside(path: Path) -> None:
    """Keep the last unreadable file for whoever wants to know what happened."""
    try:
        os.replace(path / DATA_NAME, path / f"{DATA_NAME}.unreadable")
        (path / "lock.mdb").unlink(missing_ok=True)
    except OSError as problem:
        raise explained(problem, path) from problem
