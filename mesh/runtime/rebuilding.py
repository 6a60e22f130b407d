"""A ledger whose pages are damaged is made anew from the rows of its log that can still be read; peers send the rest (DESIGN §10).

Invariant: the damaged file is kept, and there is a file in the ledger's place at every moment: the damaged or the whole new one.

The new file has no era and no count of openings, so the node goes on as another writer: it can't know its own head. What it had
signed and nobody else has is lost only where its own page was hit.
"""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from mesh.crdt.replica import MemoryReplica, Table, Write
from mesh.crdt.verify import refold_replica
from mesh.errors import StorageError
from mesh.runtime.identity import Identity
from mesh.runtime.trust import KeyTrust
from mesh.storage.environment import LEDGER_TABLES, LmdbReplica
from mesh.storage.faults import UnreadableFile, explained
from mesh.storage.files import DATA_NAME, DirectoryLock, sync_directory
from mesh.storage.salvage import salvage
from mesh.storage.unfinished import fresh_directory

COMMIT_ROWS = 50_000  # Of the new file: some 20 MB of dirty pages at once.


def rebuild_ledger(ledger: Path, identity: Identity, problem: UnreadableFile) -> str:
    """Replace the damaged file in the directory `ledger` by one that is made from its log. Returns what was done, for people.

    Raises `problem` where nothing of this mesh can be read in it, StorageError where the disk refuses; nothing was changed then.
    """
    lock = DirectoryLock.take(ledger)
    try:
        found = salvage(ledger, identity.mesh)
        if next(found.scan(Table.BATCHES), None) is None:
            raise problem
        made, complete = refold_replica(found, identity.mesh, KeyTrust(identity))
        with fresh_directory(ledger.parent, ledger.name) as place:
            _write(place, identity, _rows(made, found))
            kept = _exchange(ledger, place)
    except OSError as refusal:
        raise explained(refusal, ledger) from problem
    finally:
        lock.release()
    batches = sum(1 for _ in made.scan(Table.BATCHES))
    gaps = "" if complete else ", and there are gaps between them"
    return (
        f"{ledger / DATA_NAME} had a damaged page and was made anew from the {batches} batches that could be read in it{gaps}; "
        f"peers send what is missing. The damaged file is {kept}. ({problem})"
    )


def _rows(made: MemoryReplica, found: MemoryReplica) -> Iterator[Write]:
    """What follows from the log, the log itself, and what ends took: for people, and nobody else could say it again."""
    for table in LEDGER_TABLES:
        yield from (Write(table, key, row) for key, row in made.scan(table))
    known = dict(made.scan(Table.ENDED))
    yield from (Write(Table.ENDED, key, row) for key, row in found.scan(Table.ENDED) if key not in known)


def _write(place: Path, identity: Identity, rows: Iterator[Write]) -> None:
    replica = LmdbReplica.open(place, LEDGER_TABLES, mesh=identity.mesh, durable=True)
    try:
        while some := list(islice(rows, COMMIT_ROWS)):
            replica.write(some)
    finally:
        replica.close()


def _exchange(ledger: Path, place: Path) -> Path:
    """Put the new file in the place of the damaged one; where that one is now."""
    number = 1
    while os.path.lexists(kept := ledger / f"{DATA_NAME}.damaged-{number}"):
        number += 1
    try:
        os.link(ledger / DATA_NAME, kept)
        os.replace(place / DATA_NAME, ledger / DATA_NAME)
        (ledger / "lock.mdb").unlink(missing_ok=True)
        sync_directory(ledger)
    except OSError as problem:
        raise StorageError(
            f"{ledger / DATA_NAME} is damaged and could not be replaced: {problem.strerror}."
        ) from problem
    return kept
