"""A replica in an LMDB file.

Invariant: one process has the file open, one thread of it writes, and no reader outlives the `with` that opened it. Whatever goes
wrong on the disk is a StorageError, and then nothing of the transaction is in the file.
"""

import os
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import lmdb

from mesh.crdt.replica import KEY_BYTES_MAX, Reader, Rows, Table, Write, gathered
from mesh.errors import StorageError
from mesh.ids import MeshId
from mesh.storage.faults import explained
from mesh.storage.files import DirectoryLock
from mesh.storage.opening import MAP_BYTES, Databases, Shape, open_environment

SOFT_TABLES = (Table.BOOK, Table.BOARDS)  # Lost without harm; in an environment of their own, committed lazily.
LEDGER_TABLES = tuple(table for table in Table if table not in SOFT_TABLES)
FEW_KEYS = 2  # For so few, opening a cursor costs more than it saves.


class Snapshot:
    """One committed state of the file. Values are copies and stay valid after the reader is gone."""

    def __init__(self, reading: "lmdb.Transaction[bytes]", databases: Databases) -> None:
        self._reading = reading
        self._databases = databases

    def get(self, table: Table, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        if not 0 < len(key) <= KEY_BYTES_MAX:  # No such key can have been written.
            return None
        return self._reading.get(key, db=self._databases[table])

    def find(self, table: Table, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """The values of those `keys` that are there."""
        if len(keys) <= FEW_KEYS:
            return {key: value for key in keys if (value := self.get(table, key)) is not None}
        if not all(keys) or max(map(len, keys)) > KEY_BYTES_MAX:
            keys = [key for key in keys if 0 < len(key) <= KEY_BYTES_MAX]
        with self._reading.cursor(db=self._databases[table]) as cursor:
            return dict(cursor.getmulti(keys))

    def scan(self, table: Table, prefix: bytes = b"", after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Pairs whose key starts with `prefix` and is greater than `after`, in byte order of the keys."""
        start = max(prefix, after)[:KEY_BYTES_MAX]
        with self._reading.cursor(db=self._databases[table]) as cursor:
            if not (cursor.set_range(start) if start else cursor.first()):
                return
            for key, value in cursor:
                if not key.startswith(prefix):
                    return
                if key > after:
                    yield key, value


class Change:
    """A write transaction under way. `size` is how many bytes it has written so far."""

    def __init__(self, changing: "lmdb.Transaction[bytes]", databases: Databases) -> None:
        self._changing = changing
        self._databases = databases
        self.size = 0

    def apply(self, writes: Iterable[Write]) -> None:
        """Add `writes`; the last one of a key wins. Raises lmdb.Error; the transaction is then lost as a whole."""
        for table, rows in gathered(writes).tables.items():
            self._apply(table, rows)

    def _apply(self, table: Table, rows: Rows) -> None:
        """Write rows of one table in the order of their keys, which walks the tree once."""
        database = self._databases[table]
        present = [(key, value) for key, value in sorted(rows.items()) if value is not None]
        with self._changing.cursor(db=database) as cursor:
            cursor.putmulti(present)
        if len(present) < len(rows):
            for key in [key for key, value in rows.items() if value is None]:
                self._changing.delete(key, db=database)
        self.size += sum(map(len, rows)) + sum(map(len, filter(None, rows.values())))


class LmdbReplica:
    """A replica in an LMDB file of its own directory. Made by `open`, ended by `close`."""

    def __init__(self, path: Path, lock: DirectoryLock, environment: lmdb.Environment, databases: Databases) -> None:
        self.path = path
        self._lock = lock
        self._environment = environment
        self._databases = databases
        self._process = os.getpid()
        self._writer: int | None = None
        self._closed = False

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        tables: Iterable[Table],
        *,
        mesh: MeshId,
        durable: bool,
        map_bytes: int = MAP_BYTES,
    ) -> Self:
        """Open the file in directory `path`, or make both.

        Where `durable` is false, a power cut may lose the last commit, and an unreadable file is set aside and begun anew.
        Raises StorageError where the directory is in use, read-only or full, and where the file is damaged, of another mesh or
        of another schema; a durable file is then as it was.
        """
        place = Path(path).absolute()
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as problem:
            raise explained(problem, place) from problem
        lock = DirectoryLock.take(place)
        try:
            environment, databases = open_environment(place, Shape(tuple(tables), mesh, durable, map_bytes))
        except BaseException:
            lock.release()
            raise
        return cls(place, lock, environment, databases)

    @property
    def commits(self) -> int:
        """How many transactions have been committed to the file since it was made."""
        self._check_usable()
        count: int = self._environment.info()["last_txnid"]
        return count

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """Open a reader on the newest committed state. Close it before the next `await`."""
        self._check_usable()
        try:
            with self._environment.begin() as reading:
                yield Snapshot(reading, self._databases)
        except lmdb.Error as problem:
            raise explained(problem, self.path) from problem

    @contextmanager
    def change(self) -> Iterator[Change]:
        """A transaction that is committed at the end of the `with`, in the thread that began it; it blocks on the disk.

        Raises StorageError; the file is then as it was.
        """
        self._check_usable()
        if self._writer not in (None, threading.get_ident()):
            raise StorageError(f"{self.path} is written by its writer thread alone. Submit the writes there.")
        try:
            with self._environment.begin(write=True) as changing:
                yield Change(changing, self._databases)
        except lmdb.Error as problem:
            raise explained(problem, self.path) from problem

    def write(self, writes: Iterable[Write]) -> None:
        """Apply `writes` in order, all of them or none, and wait for the disk. Raises StorageError."""
        with self.change() as change:
            change.apply(writes)

    def keep_writing_for_this_thread(self) -> None:
        """From now on only the calling thread may write, until the file is closed."""
        self._writer = threading.get_ident()

    def close(self) -> None:
        """Close the file and give the directory back. Readers must be gone. A second call does nothing."""
        if self._closed or os.getpid() != self._process:
            return
        self._closed = True
        try:
            self._environment.sync(True)  # The last commit of a soft file has not synced its meta page yet.
        except lmdb.Error as problem:
            raise explained(problem, self.path) from problem
        finally:
            self._environment.close()
            self._lock.release()

    def _check_usable(self) -> None:
        if os.getpid() != self._process:
            raise StorageError(
                f"{self.path} was opened by process {self._process} and can't be used after a fork, in process {os.getpid()}. "
                "Start a new process and open the file there."
            )
        if self._closed:
            raise StorageError(f"{self.path} was closed. Open it again.")
