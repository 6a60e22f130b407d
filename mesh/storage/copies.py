"""Reading a file without touching it, and copying one that may be in use.

Invariant: nothing is written to the file that is read or copied, and a file is walked page by page before LMDB may map it, unless
it is alive and its own node vouches for it.

A hot copy opens the environment of a running node from another process, read-only and with LMDB's own lock file: that is one more
reader, which keeps the pages of its moment until the copy is done. Without the lock file the node would reuse these pages; and one
process may not open a file twice. So a node cannot copy itself this way.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb

from mesh.crdt.replica import Reader
from mesh.errors import StorageError
from mesh.storage.environment import Snapshot
from mesh.storage.faults import explained
from mesh.storage.files import DATA_NAME, sync_directory, sync_file
from mesh.storage.opening import Shape, open_tables, verify_structure


@contextmanager
def read_only(path: Path, shape: Shape) -> Iterator[Reader]:
    """The file in directory `path`, which nobody is writing to: hold its lock.

    Raises StorageError where it is absent, damaged, of another mesh or of another schema; nothing is changed in any case.
    """
    _check_presence(path)
    verify_structure(path)
    with _environment(path, shape, lock=False) as environment, _explaining(path):
        tables = open_tables(path, environment, shape)
        with environment.begin() as reading:
            yield Snapshot(reading, tables)


def copy_live(source: Path, target: Path, shape: Shape) -> None:
    """Copy the file in directory `source`, compacted, into the empty directory `target`, durably.

    A node in another process may be using it. Raises StorageError; what is in `target` is then worth nothing.
    """
    _check_presence(source)
    with _environment(source, shape, lock=True) as environment, _explaining(source):
        open_tables(source, environment, shape)
        environment.copy(str(target), compact=True)
    with _explaining(target):
        sync_file(target / DATA_NAME)
        sync_directory(target)


def copy_file(source: Path, target: Path) -> None:
    """Copy a database file that nobody is writing to from one directory into another, durably. Raises StorageError."""
    with _explaining(target), open(source / DATA_NAME, "rb") as reading:
        descriptor = os.open(target / DATA_NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as writing:
            while part := reading.read(1 << 20):
                writing.write(part)
            writing.flush()
            os.fsync(writing.fileno())
        sync_directory(target)


def _check_presence(path: Path) -> None:
    if not (path / DATA_NAME).is_file():
        raise StorageError(f"{path} holds no database: a file {DATA_NAME} was expected in it. Name another directory.")


@contextmanager
def _environment(path: Path, shape: Shape, *, lock: bool) -> Iterator[lmdb.Environment]:
    with _explaining(path):
        environment = _open(path, shape, lock)
    try:
        yield environment
    finally:
        environment.close()


def _open(path: Path, shape: Shape, lock: bool) -> lmdb.Environment:
    return lmdb.open(str(path), readonly=True, lock=lock, create=False, max_dbs=len(shape.tables) + 1, lib_version=0)


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
    try:
        yield
    except (lmdb.Error, OSError) as problem:
        raise explained(problem, path) from problem
