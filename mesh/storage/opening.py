"""How an LMDB file is opened, checked, and recognised as this mesh's own.

Invariant: no page beyond the end of the file is ever mapped for reading (that kills the process), a file of another mesh or
another schema is left untouched, and a file is in its place with all its tables or not at all: a new one is made beside it.

Durable files (the ledger) use LMDB's default: data and meta page are synced in each commit. Soft files (the boards) use
`metasync=False`: the data is synced before the meta page is written, and the meta page with the next commit. So a power cut may
lose the last commit of a soft file and leaves it readable; `sync=False` would promise neither. As a second line, a soft file is
verified whole before it is opened, and one that does not pass is set aside and begun anew: boards come back within seconds.
"""

import os
import shutil
from pathlib import Path
from typing import TypeAlias

import lmdb
from lmdb.verify import VerifyError, verify
from msgspec import Struct

from mesh.crdt.replica import Table
from mesh.errors import StorageError
from mesh.ids import MeshId
from mesh.storage.faults import MAKE_WRITABLE, RESTORE, UnreadableFile, explained
from mesh.storage.files import DATA_NAME, sync_directory
from mesh.storage.migrations import SCHEMA, SINCE_SECOND, Databases, Migration, keep_copy, migrate
from mesh.storage.seals import Seals

MAP_BYTES = (
    64 << 30
)  # An address reservation, not space: never resized in normal life, because resizing ends every reader.
READERS_MAX = 2048  # Reader slots in the sparse lock file; a killed process leaves its slots until the next open.
VERIFIED_BYTES_MAX = (
    256 << 20
)  # Walked at each opening, some 11 ms per MB; a larger one only where its last process was killed, and while it is in use.
SPARE_READERS = 8  # Read transactions kept for reuse; overlays and queries nest a few deep.
MAKING_NAME = "making"

LMDB_MAGIC = (0xBEEFC0DE).to_bytes(4, "little")

_MARK = b"about"  # A database of this package's own: what the file is, and whose.
_SCHEMA_KEY = b"schema"
_MESH_KEY = b"mesh"

Tables: TypeAlias = "tuple[Databases, Seals | None]"  # A file of schema 1 has no seals; it is only read.


class Shape(Struct, frozen=True):
    """What a file has to be: its tables, its mesh, whether it is durable, and how large its map is."""

    tables: tuple[Table, ...]
    mesh: MeshId
    durable: bool
    map_bytes: int = MAP_BYTES


class Opened(Struct, frozen=True):
    """An open file. `migration` says what was done to one of an older schema."""

    environment: lmdb.Environment
    tables: Tables
    migration: Migration | None


def open_environment(path: Path, shape: Shape, *, was_closed: bool = False) -> Opened:
    """Open the file in directory `path`, or make it. Raises StorageError; a durable file is then as it was.

    Of a large ledger that `was_closed` by the last process that used it only the length is checked.
    """
    try:
        if not was_closed or not shape.durable or _size(path) <= VERIFIED_BYTES_MAX:
            verify_structure(path)
        return _open(path, shape)
    except UnreadableFile:
        if shape.durable:
            raise
        _set_aside(path)
        return _open(path, shape)


def _open(path: Path, shape: Shape) -> Opened:
    try:
        if not _size(path):
            _make(path, shape)
        environment = _environment(path, shape)
    except (lmdb.Error, OSError) as problem:
        raise _is_newer_format(path) or explained(problem, path) from problem
    try:
        _check_length(path, environment)
        environment.reader_check()
        opened = _recognise(path, environment, shape)
    except (lmdb.Error, OSError) as problem:
        environment.close()
        raise explained(problem, path) from problem
    except StorageError:
        environment.close()
        raise
    return opened


def open_read_only(path: Path, shape: Shape) -> tuple[lmdb.Environment, Tables]:
    """Open the file in directory `path`, which nobody can write to. Raises StorageError."""
    if not _size(path):
        raise StorageError(f"{path} holds no database yet, and it can't be written. {MAKE_WRITABLE}")
    if newer := _is_newer_format(path):
        raise newer
    verify_structure(path)
    try:
        environment = lmdb.open(
            str(path),
            readonly=True,
            lock=False,  # The lock file can't be written either, and whoever could write would hold our own lock.
            create=False,
            map_size=shape.map_bytes,
            max_dbs=len(shape.tables) + 1,
            max_spare_txns=SPARE_READERS,
            lib_version=0,
        )
    except (lmdb.Error, OSError) as problem:
        raise explained(problem, path) from problem
    try:
        return environment, open_tables(path, environment, shape)
    except lmdb.Error as problem:
        environment.close()
        raise explained(problem, path) from problem
    except StorageError:
        environment.close()
        raise


def _make(path: Path, shape: Shape) -> None:
    """Make the file in a directory of its own and move it into its place: a power cut would else leave one that can't be opened."""
    making = path / MAKING_NAME
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(mode=0o700)
    environment = _environment(making, shape)
    try:
        _recognise(making, environment, shape)
        environment.sync(True)
    finally:
        environment.close()
    os.replace(making / DATA_NAME, path / DATA_NAME)
    sync_directory(path)
    sync_directory(path.parent)
    shutil.rmtree(making, ignore_errors=True)


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


def _is_newer_format(path: Path) -> StorageError | None:
    """What to say of a file in the format of LMDB 1.0; None for any other. Its first page has the magic 8 bytes later."""
    try:
        with open(path / DATA_NAME, "rb") as file:
            start = file.read(32)
    except OSError as problem:
        return explained(problem, path)
    if start[16:20] == LMDB_MAGIC or start[24:28] != LMDB_MAGIC:
        return None
    return StorageError(
        f"{path / DATA_NAME} is in the format of LMDB 1.0, and the mesh reads and writes that of LMDB 0.9. Nothing was changed. "
        "Some other program made it: give this node a directory of its own."
    )


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


def _recognise(path: Path, environment: lmdb.Environment, shape: Shape) -> Opened:
    """Open the tables, in one transaction with the check of whose they are and with the migration of an older schema."""
    before = _older_schema(path, environment, shape)
    copy = keep_copy(path, environment, before) if before and shape.durable else None
    with environment.begin(write=True) as change:
        fresh = change.stat()["entries"] == 0
        mark = environment.open_db(_MARK, txn=change)
        if fresh:
            change.put(_SCHEMA_KEY, str(SCHEMA).encode(), db=mark)
            change.put(_MESH_KEY, shape.mesh, db=mark)
        _check_mark(path, change.get(_SCHEMA_KEY, db=mark), change.get(_MESH_KEY, db=mark), shape.mesh)
        databases = {table: environment.open_db(table.encode(), txn=change) for table in shape.tables}
        if before:
            migrate(change, databases, shape.mesh, before)
            change.put(_SCHEMA_KEY, str(SCHEMA).encode(), db=mark)
    migration = Migration(before, SCHEMA, str(copy or "")) if before else None
    return Opened(environment, (databases, Seals(shape.mesh)), migration)


def _older_schema(path: Path, environment: lmdb.Environment, shape: Shape) -> int:
    """The schema of a file that has to be migrated; 0 for any other. Raises StorageError where the file is not ours."""
    try:
        mark = environment.open_db(_MARK, create=False)
    except lmdb.NotFoundError:
        return 0
    with environment.begin() as reading:
        schema = _check_mark(path, reading.get(_SCHEMA_KEY, db=mark), reading.get(_MESH_KEY, db=mark), shape.mesh)
    return schema if schema < SCHEMA else 0


def open_tables(path: Path, environment: lmdb.Environment, shape: Shape) -> Tables:
    """The tables of a file that is open for reading alone. Raises StorageError where it is not what `shape` says."""
    try:
        mark = environment.open_db(_MARK, create=False)
    except lmdb.NotFoundError:
        raise _foreign(path) from None
    with environment.begin() as reading:
        schema = _check_mark(path, reading.get(_SCHEMA_KEY, db=mark), reading.get(_MESH_KEY, db=mark), shape.mesh)
    try:
        tables = [table for table in shape.tables if schema > 1 or table not in SINCE_SECOND]
        databases = {table: environment.open_db(table.encode(), create=False) for table in tables}
    except lmdb.NotFoundError as problem:
        raise UnreadableFile(f"{path / DATA_NAME} is damaged: a table is missing ({problem}). {RESTORE}") from problem
    return databases, Seals(shape.mesh) if schema > 1 else None


def _check_mark(path: Path, schema: bytes | None, mesh: bytes | None, wanted: MeshId) -> int:
    """The file's schema. Raises StorageError where it is none that can be read here, or of another mesh."""
    if schema is None or mesh is None:
        raise _foreign(path)
    found = schema.decode("utf-8", "replace")
    if not found.isdecimal() or not 1 <= int(found) <= SCHEMA:
        raise StorageError(
            f"{path} has schema {found}, and this program reads schemas 1 to {SCHEMA}. "
            "Nothing was changed. Run the version of the mesh that wrote it, or a newer one."
        )
    if mesh != wanted:
        raise StorageError(
            f"{path} belongs to mesh {mesh.hex()}, and this node to mesh {wanted.hex()}. "
            "Give this node a directory of its own, or start it in the mesh that the directory belongs to."
        )
    return int(found)


def _foreign(path: Path) -> StorageError:
    return StorageError(
        f"{path} holds an LMDB database that is not of the mesh. Give this node a directory of its own."
    )


def _set_aside(path: Path) -> None:
    """Keep the last unreadable file for whoever wants to know what happened."""
    try:
        os.replace(path / DATA_NAME, path / f"{DATA_NAME}.unreadable")
        (path / "lock.mdb").unlink(missing_ok=True)
    except OSError as problem:
        raise explained(problem, path) from problem
