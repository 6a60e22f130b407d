"""A node's two files, opened so that the node starts whenever there is anything to read.

Invariant: a disk that can't be written makes a node that only reads and says so; only what can't be read at all stops the start.

Where the ledger's file or directory takes no writes, the file is opened for reading and boards are kept in memory. Where the disk
is full, this opening can't be counted, so a later rollback could go unseen: the node only reads until it is started again. A file
with a damaged page is made anew from its log (`runtime/rebuilding.py`). Small tables are read whole here; where a row of them is
damaged, all that follows from the log is made again before anybody reads it.
"""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from mesh.crdt.damage import rows
from mesh.crdt.keys import BOOT, ERA, OPENS
from mesh.crdt.names import missing_names
from mesh.crdt.replica import MemoryReplica, Reader, Replica, Table, Write
from mesh.crdt.verify import refold_replica
from mesh.errors import DamagedRow, StorageError
from mesh.gossip.membership import boot_write
from mesh.ids import Boot
from mesh.runtime.identity import Identity
from mesh.runtime.rebuilding import rebuild_ledger
from mesh.runtime.trust import KeyTrust
from mesh.storage.environment import LEDGER_TABLES, SOFT_TABLES, LmdbReplica
from mesh.storage.faults import NotWritable, UnreadableFile
from mesh.storage.files import DATA_NAME
from mesh.storage.guards import Guard, Verdict
from mesh.storage.opening import MAP_BYTES
from mesh.storage.writer import write_now

DATA = "data"
BOOK_TABLES = (*SOFT_TABLES, Table.META)
HEADS = (Table.CONTEXT, Table.FORKS)
DERIVED = (*HEADS, Table.FATES, Table.BUCKETS, Table.CELLS)


class Disks(Struct, frozen=True):
    """What was opened. `refusal`: why nothing is written; empty where the disk takes writes. `notes` are for people."""

    ledger: LmdbReplica
    soft: LmdbReplica | MemoryReplica
    boot: Boot
    verdict: Verdict
    refusal: str
    notes: tuple[str, ...]


@contextmanager
def open_disks(folder: Path, identity: Identity, map_bytes: int = MAP_BYTES) -> Iterator[Disks]:
    """Open the files of the node in `folder` for as long as the context lasts. Raises StorageError."""
    notes: list[str] = []
    with ExitStack() as stack:
        ledger, refusal = _open_ledger(folder, identity, map_bytes, notes)
        stack.callback(ledger.close)
        if ledger.migration is not None:
            notes.append(f"{ledger.path} was {ledger.migration}")
        if not refusal and (mended := mend_tables(ledger, identity)):
            notes.append(f"{ledger.path}: {mended} rows that the disk had damaged were made again from the log")
        if not refusal:
            refusal = _keep_names(ledger, identity)
        soft = _open_soft(folder, identity, bool(refusal))
        if isinstance(soft, LmdbReplica):
            stack.callback(soft.close)
        verdict = Verdict.SAME
        if not refusal:
            try:
                verdict = _count_open(ledger, Guard(folder / "opens.json", ledger.path / DATA_NAME))
            except StorageError as problem:
                refusal = str(problem)
        ledger.read_only = bool(refusal)
        yield Disks(ledger, soft, _next_boot(soft), verdict, refusal, tuple(notes))


def _open_ledger(folder: Path, identity: Identity, map_bytes: int, notes: list[str]) -> tuple[LmdbReplica, str]:
    path = folder / DATA / "ledger"

    def opened() -> LmdbReplica:
        return LmdbReplica.open(path, LEDGER_TABLES, mesh=identity.mesh, durable=True, map_bytes=map_bytes)

    try:
        try:
            return opened(), ""
        except UnreadableFile as problem:
            notes.append(rebuild_ledger(path, identity, problem))
            return opened(), ""
    except NotWritable as problem:
        return LmdbReplica.open_read_only(path, LEDGER_TABLES, mesh=identity.mesh), str(problem)


def _open_soft(folder: Path, identity: Identity, read_only: bool) -> LmdbReplica | MemoryReplica:
    """The boards' file; where it can't be written, a memory that knows the peer book of the file."""
    path = folder / DATA / "boards"
    if not read_only:
        with suppress(NotWritable):
            return LmdbReplica.open(path, BOOK_TABLES, mesh=identity.mesh, durable=False)
    memory = MemoryReplica()
    with suppress(StorageError):
        file = LmdbReplica.open_read_only(path, BOOK_TABLES, mesh=identity.mesh)
        try:
            with file.read() as reader:
                kept = ((t, k, row) for t in (Table.BOOK, Table.META) for k, row in rows(reader, t) if row is not None)
                memory.write([Write(*row) for row in kept])
        finally:
            file.close()
    return memory


def mend_tables(ledger: LmdbReplica, identity: Identity) -> int:
    """Make again what a core reads whole when it is made, where a row of it is damaged. Returns how many rows were written.

    A damaged certificate is left to the peers, unless it is this node's own. Where the log is damaged as well, the writers' lines
    end before the damage, and the peers send the rest; the node then goes on as another writer, because it can't know its head.
    """
    with ledger.read() as reader:
        damaged = [
            (table, key)
            for table in (*HEADS, Table.FATES, Table.BUCKETS, Table.META, Table.CERTIFICATES, Table.ENDS)
            for key, row in rows(reader, table)
            if row is None
        ]
        if not damaged:
            return 0
        writes = [Write(table, key, None) for table, key in damaged if table in (Table.META, Table.ENDS)]
        own = KeyTrust(identity).read_certificate(identity.certificate_der).hash
        if (Table.CERTIFICATES, own) in damaged:
            writes.append(Write(Table.CERTIFICATES, own, identity.certificate_der))
        if any(table in DERIVED for table, _ in damaged):
            made, complete = refold_replica(reader, identity.mesh, KeyTrust(identity))
            writes += _changes(reader, made)
            writes += [] if complete else [Write(Table.META, ERA, None)]
    if writes:
        write_now(ledger, writes)
    return len(writes)


def _keep_names(ledger: LmdbReplica, identity: Identity) -> str:
    """Write the names of nodes that are missing. Returns why the disk did not take them; empty where nothing is missing now."""
    with ledger.read() as reader:
        writes = missing_names(reader, KeyTrust(identity))
    try:
        if writes:
            write_now(ledger, writes)
    except StorageError as problem:
        return str(problem)
    return ""


def _changes(stored: Reader, made: MemoryReplica) -> Iterator[Write]:
    """What turns the derived tables of one into those of the other."""
    for table in DERIVED:
        wanted, found = dict(made.scan(table)), dict(rows(stored, table))
        yield from (Write(table, key, None) for key in found if key not in wanted)
        yield from (Write(table, key, row) for key, row in wanted.items() if found.get(key) != row)


def _count_open(ledger: LmdbReplica, guard: Guard) -> Verdict:
    """Count this opening in the database and beside it; a difference means that the database was copied or restored."""
    with ledger.read() as reader:
        counted = int(reader.get(Table.META, OPENS) or b"0")
    verdict, count = guard.check(counted), guard.next_count(counted)
    write_now(ledger, [Write(Table.META, OPENS, str(count).encode())])
    guard.advance(count)
    return verdict


def _next_boot(soft: LmdbReplica | MemoryReplica) -> Boot:
    """A boot above every one of this node that is known here, on disk before anybody hears of it where the disk takes it."""
    boot = Boot(_stored_boot(soft) + 1, secrets.randbits(64))
    if isinstance(soft, LmdbReplica):
        with suppress(
            StorageError
        ):  # A full disk: whoever knows this node's last boot says so, and it takes a higher one.
            write_now(soft, [boot_write(boot)])
    else:
        soft.write([boot_write(boot)])
    return boot


def _stored_boot(soft: Replica) -> int:
    try:
        with soft.read() as reader:
            row = reader.get(Table.META, BOOT)
    except DamagedRow:
        return 0
    return msgspec.msgpack.decode(row, type=Boot).count if row is not None else 0
