"""The schemas that a file has had, and the steps from each to the next.

Invariant: a migration is one transaction, so a file is wholly of one schema whatever cuts it short; and before a durable file is
migrated a verified copy of it stands beside it.

| schema | since | what is in it |
| --- | --- | --- |
| 1 | 0.1 | rows as they are |
| 2 | 0.2 | a check of four bytes behind each row (`mesh.storage.seals`); buckets salted, not keyed, by the mesh; more tables |
"""

import shutil
from collections.abc import Callable, Mapping
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import TypeAlias

import lmdb
from msgspec import Struct

from mesh.crdt.cell import decode_cell, encode_cell
from mesh.crdt.fingerprint import bucket_of, shift, weigh
from mesh.crdt.replica import Table
from mesh.errors import StorageError
from mesh.ids import MeshId
from mesh.storage.files import DATA_NAME, sync_directory, sync_file
from mesh.storage.seals import Seals

SCHEMA = 2  # Grows whenever an older program would misread the tables.
ROWS_AT_ONCE = 1_000  # Read before they are written again, so that no cursor stands in a page that changes.

SINCE_SECOND = (Table.FORKS, Table.ENDS, Table.ENDED, Table.ASSUMED)  # Tables that schema 1 does not have.

Databases: TypeAlias = "dict[Table, lmdb._Database]"
Step: TypeAlias = "Callable[[lmdb.Transaction[bytes], Databases, MeshId], None]"


class Migration(Struct, frozen=True):
    """What was done to a file when it was opened. `copy`: where the file as it was is now; empty for a soft file."""

    before: int
    after: int
    copy: str

    def __str__(self) -> str:
        kept = f"; the file as it was is in {self.copy}" if self.copy else ""
        return f"migrated from schema {self.before} to schema {self.after}{kept}"


def seal_rows(change: "lmdb.Transaction[bytes]", databases: Databases, mesh: MeshId) -> None:
    """Put a check behind every row."""
    seals = Seals(mesh)
    for table, database in databases.items():
        after = b""
        while rows := _rows_after(change, database, after):
            for key, value in rows:
                change.put(key, seals.close(table, key, value), db=database)
            after = rows[-1][0]


def salt_buckets(change: "lmdb.Transaction[bytes]", databases: Databases, mesh: MeshId) -> None:
    """Sum up the fingerprint's buckets again from the cells."""
    if Table.CELLS not in databases or Table.BUCKETS not in databases:
        return
    change.drop(databases[Table.BUCKETS], delete=False)
    sums: dict[int, int] = {}
    for key, row in change.cursor(db=databases[Table.CELLS]):
        weights = (weigh(mesh, key, encode_cell((sibling,))) for sibling in decode_cell(row))
        sums[bucket_of(key)] = sums.get(bucket_of(key), 0) + sum(weights)
    for bucket, total in sums.items():
        change.put(bytes([bucket]), shift(None, total), db=databases[Table.BUCKETS])


def to_second(change: "lmdb.Transaction[bytes]", databases: Databases, mesh: MeshId) -> None:
    """1 to 2: other buckets, and a check behind every row."""
    salt_buckets(change, databases, mesh)
    seal_rows(change, databases, mesh)


STEPS: Mapping[int, Step] = {1: to_second}
"""By the schema that a step begins with; each ends with the next."""


def migrate(change: "lmdb.Transaction[bytes]", databases: Databases, mesh: MeshId, before: int) -> None:
    """Take every step from schema `before` to the present one, inside the transaction `change`."""
    for schema in range(before, SCHEMA):
        STEPS[schema](change, databases, mesh)


def keep_copy(path: Path, environment: lmdb.Environment, before: int) -> Path:
    """Copy the file in directory `path` beside it, durably, and read the copy again. Returns the copy's directory.

    Raises StorageError where the copy is not what it was made of, lmdb.Error and OSError where the disk refuses.
    """
    digest = _digest(environment)
    for number in count(1):
        kept = path.with_name(f"{path.name}.schema-{before}" + (f"-{number}" if number > 1 else ""))
        if not kept.exists():
            break
        if _digest_of(kept) == digest:  # Made by an opening that was cut short afterwards.
            return kept
    made = path.with_name(f".{kept.name}.new")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(mode=0o700)
    environment.copy(str(made), compact=True)
    sync_file(made / DATA_NAME)
    sync_directory(made)
    if _digest_of(made) != digest:
        raise StorageError(f"{made} is not a good copy of {path}; nothing was migrated. Check the disk, and try again.")
    made.rename(kept)
    sync_directory(kept.parent)
    return kept


def _digest_of(directory: Path) -> bytes | None:
    """The digest of a copy, read from the disk; None where there is no such file or it can't be read."""
    try:
        copy = lmdb.open(str(directory), readonly=True, lock=False, create=False, max_dbs=len(Table) + 1, lib_version=0)
    except lmdb.Error:
        return None
    try:
        return _digest(copy)
    except lmdb.Error:
        return None
    finally:
        copy.close()


def _digest(environment: lmdb.Environment) -> bytes:
    """A hash over every row of every table of one committed state."""
    with environment.begin() as reading:
        names = [bytes(name) for name in reading.cursor().iternext(values=False)]
    total = sha256()
    databases = [environment.open_db(name, create=False) for name in names]
    with environment.begin() as reading:
        for name, database in zip(names, databases, strict=True):
            total.update(b"%d %b %d\n" % (len(name), name, reading.stat(database)["entries"]))
            for key, value in reading.cursor(db=database):
                total.update(b"%d %d\n" % (len(key), len(value)) + key + value)
    return total.digest()


def _rows_after(
    change: "lmdb.Transaction[bytes]", database: "lmdb._Database", after: bytes
) -> list[tuple[bytes, bytes]]:
    rows: list[tuple[bytes, bytes]] = []
    with change.cursor(db=database) as cursor:
        if not (cursor.set_range(after) if after else cursor.first()):
            return rows
        for key, value in cursor:
            if key > after:
                rows.append((key, value))
            if len(rows) == ROWS_AT_ONCE:
                return rows
    return rows
