"""A replica in an LMDB file.

Invariant: one process has the file open, one thread of it writes, and no reader outlives the `with` that opened it. Whatever goes
wrong on the disk is a StorageError, and then nothing of the transaction is in the file.
"""

import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import lmdb

from mesh.crdt.replica import KEY_BYTES_MAX, Reader, Rows, Table, Write, gathered
from mesh.errors import DamagedRow, StorageError
from mesh.ids import MeshId
from mesh.storage.faults import MAKE_WRITABLE, NotWritable, UnreadableFile, explained
from mesh.storage.files import DirectoryLock
from mesh.storage.migrations import Migration
from mesh.storage.opening import MAP_BYTES, Shape, Tables, open_environment, open_read_only
from mesh.storage.readers import Readers

SOFT_TABLES = (Table.BOOK, Table.BOARDS)  # Lost without harm; in an environment of their own, committed lazily.
LEDGER_TABLES = tuple(table for table in Table if table not in SOFT_TABLES)
OPEN_NAME = (
    "open"  # Beside a file that was not closed: the process that had it was killed, perhaps by what stands in it.
)
FEW_KEYS = 2  # For so few, opening a cursor costs more than it saves.


OnDamage = Callable[[DamagedRow], None]
"""Hears of each damaged row that somebody came across. Called while the reader is open: it may only take a note."""


def _nobody(damaged: StorageError) -> None:
    """Nobody mends this file."""


class Snapshot:
    """One committed state of the file. Values are copies and stay valid after the reader is gone.

    A table that files of an older schema do not have is empty.

    Both methods raise DamagedRow for a row whose check does not fit, after telling `on_damage`.
    """

    def __init__(self, reading: "lmdb.Transaction[bytes]", tables: Tables, on_damage: OnDamage = _nobody) -> None:
        self._reading = reading
        self._databases, self._seals = tables
        self._on_damage = on_damage

    def get(self, table: Table, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        if not 0 < len(key) <= KEY_BYTES_MAX:  # No such key can have been written.
            return None
        database = self._databases.get(table)
        row = self._reading.get(key, db=database) if database is not None else None
        return row if row is None else self._value(table, key, row)

    def _value(self, table: Table, key: bytes, row: bytes) -> bytes:
        if self._seals is None:
            return row
        try:
            return self._seals.open(table, key, row)
        except DamagedRow as damaged:
            self._on_damage(damaged)
            raise

    def find(self, table: Table, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """The values of those `keys` that are there."""
        if len(keys) <= FEW_KEYS or table not in self._databases:
            return {key: value for key in keys if (value := self.get(table, key)) is not None}
        if not all(keys) or max(map(len, keys)) > KEY_BYTES_MAX:
            keys = [key for key in keys if 0 < len(key) <= KEY_BYTES_MAX]
        with self._reading.cursor(db=self._databases[table]) as cursor:
            return {key: self._value(table, key, row) for key, row in cursor.getmulti(keys)}

    def scan(self, table: Table, prefix: bytes = b"", after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Pairs whose key starts with `prefix` and is greater than `after`, in byte order of the keys."""
        start = max(prefix, after)[:KEY_BYTES_MAX]
        if table not in self._databases:
            return
        with self._reading.cursor(db=self._databases[table]) as cursor:
            if not (cursor.set_range(start) if start else cursor.first()):
                return
            for key, value in cursor:
                if not key.startswith(prefix):
                    return
                if key > after:
                    yield key, self._value(table, key, value)


class Change:
    """A write transaction under way."""

    def __init__(self, changing: "lmdb.Transaction[bytes]", tables: Tables) -> None:
        self._changing = changing
        self._databases, seals = tables
        assert seals is not None, "only a file of the present schema is written"
        self._seals = seals

    def apply(self, writes: Iterable[Write]) -> None:
        """Add `writes`; the last one of a key wins. Raises lmdb.Error; the transaction is then lost as a whole."""
        for table, rows in gathered(writes).tables.items():
            self._apply(table, rows)

    def _apply(self, table: Table, rows: Rows) -> None:
        """Write rows of one table in the order of their keys, which walks the tree once."""
        database = self._databases[table]
        present = self._seals.close_all(table, rows)
        with self._changing.cursor(db=database) as cursor:
            cursor.putmulti(present)
        if len(present) < len(rows):
            for key in [key for key, value in rows.items() if value is None]:
                self._changing.delete(key, db=database)


class LmdbReplica:
    """A replica in an LMDB file of its own directory. Made by `open` or `open_read_only`, ended by `close`.

    `migration` says what `open` did to a file of an older schema; `on_damage` hears of damaged rows, `on_unreadable` of what LMDB
    itself stumbles over, in the thread that did: it may only take a note.
    """

    def __init__(self, path: Path, lock: DirectoryLock | None, environment: lmdb.Environment, tables: Tables) -> None:
        self.path = path
        self.migration: Migration | None = None
        self.read_only = False
        self.on_damage: OnDamage = _nobody
        self.on_unreadable: Callable[[StorageError], None] = _nobody
        self.readers = Readers(environment)
        self._lock = lock
        self._environment = environment
        self._tables = tables
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
        """Open the file in directory `path`, or make both. A file of an older schema is copied beside it, and migrated.

        Where `durable` is false, a power cut may lose the last commit, and an unreadable file is set aside and begun anew.
        Raises NotWritable where the disk or the directory is read-only, and StorageError where the directory is in use or the
        disk full, and where the file is damaged, of another mesh or of a newer schema; a durable file is then as it was.
        """
        place = Path(path).absolute()
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as problem:
            raise explained(problem, place) from problem
        lock = DirectoryLock.take(place)
        try:
            shape = Shape(tuple(tables), mesh, durable, map_bytes)
            found = open_environment(place, shape, was_closed=not (place / OPEN_NAME).exists())
            _mark_open(place)
        except BaseException:
            lock.release()
            raise
        replica = cls(place, lock, found.environment, found.tables)
        replica.migration = found.migration
        return replica

    @classmethod
    def open_read_only(cls, path: str | os.PathLike[str], tables: Iterable[Table], *, mesh: MeshId) -> Self:
        """Open the file in directory `path`, on a disk that can't be written. It may be of an older schema.

        Raises StorageError where there is none, another process has it, or it is damaged, of another mesh or of a newer schema.
        """
        place = Path(path).absolute()
        lock = DirectoryLock.take_read_only(place)
        try:
            replica = cls(place, lock, *open_read_only(place, Shape(tuple(tables), mesh, durable=True)))
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        replica.read_only = True
        return replica

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
                yield Snapshot(reading, self._tables, self.on_damage)
        except lmdb.ReadersFullError as problem:
            self.readers.sweep()
            raise explained(problem, self.path) from problem
        except lmdb.Error as problem:
            raise self._told(explained(problem, self.path)) from problem

    def _told(self, problem: StorageError) -> StorageError:
        if isinstance(problem, UnreadableFile):
            self.on_unreadable(problem)
        return problem

    @contextmanager
    def change(self) -> Iterator[Change]:
        """A transaction that is committed at the end of the `with`, in the thread that began it; it blocks on the disk.

        Raises StorageError; the file is then as it was.
        """
        self._check_usable()
        if self.read_only:
            raise NotWritable(f"{self.path} is on a disk that can't be written: this node only reads. {MAKE_WRITABLE}")
        if self._writer not in (None, threading.get_ident()):
            raise StorageError(f"{self.path} is written by its writer thread alone. Submit the writes there.")
        try:
            with self._environment.begin(write=True) as changing:
                yield Change(changing, self._tables)
        except lmdb.Error as problem:
            raise self._told(explained(problem, self.path)) from problem

    def write(self, writes: Iterable[Write]) -> None:
        """Apply `writes` in order, all of them or none, and wait for the disk. Raises StorageError."""
        with self.change() as change:
            change.apply(writes)

    def keep_writing_for_this_thread(self) -> None:
        """From now on only the calling thread may write, until the file is closed."""
        self._writer = threading.get_ident()

    def sweep(self) -> int:
        """Take away the slots of readers whose processes are gone. Returns how many there were. Raises StorageError."""
        self._check_usable()
        try:
            return self.readers.sweep()
        except lmdb.Error as problem:
            raise explained(problem, self.path) from problem

    def close(self) -> None:
        """Close the file and give the directory back. Readers must be gone. A second call does nothing."""
        if self._closed or os.getpid() != self._process:
            return
        self._closed = True
        try:
            if not self.read_only:
                self._environment.sync(True)  # The last commit of a soft file has not synced its meta page yet.
        except lmdb.Error as problem:
            raise explained(problem, self.path) from problem
        finally:
            self._environment.close()
            if not self.read_only:
                (self.path / OPEN_NAME).unlink(missing_ok=True)
            if self._lock is not None:
                self._lock.release()

    def _check_usable(self) -> None:
        if os.getpid() != self._process:
            raise StorageError(
                f"{self.path} was opened by process {self._process} and can't be used after a fork, in process {os.getpid()}. "
                "Start a new process and open the file there."
            )
        if self._closed:
            raise StorageError(f"{self.path} was closed. Open it again.")


def _mark_open(path: Path) -> None:
    try:
        (path / OPEN_NAME).touch(mode=0o600)
    except OSError:
        return  # A full disk: then a large file is not walked at the next opening.
