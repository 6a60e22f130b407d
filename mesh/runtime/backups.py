"""Checking a node's ledger, keeping a copy of it, and putting a copy back.

Invariant: a backup is there whole and verified, or not at all, and what a killed one left is swept away by the next; it holds no
key and no mark of the node's life; and a ledger that is replaced is moved aside, never deleted.

The copy has no era and no count of openings, so the node that takes it writes under a new identity (`mesh.storage.guards`): what it
wrote since the backup, and its peers have, comes back as the work of another writer, and no number is used twice.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path

import msgspec
from msgspec import Struct

from mesh.crdt.keys import BOOT, ERA, OPENS
from mesh.crdt.replacing import Balance, balances
from mesh.crdt.replica import MemoryReplica, Table, Write
from mesh.crdt.verify import Progress, Report, verify_replica
from mesh.errors import MeshError, StorageError, UsageError
from mesh.runtime.identity import Identity, load_node
from mesh.runtime.trust import KeyTrust
from mesh.storage.copies import copy_file, copy_live, read_only
from mesh.storage.environment import LEDGER_TABLES, LmdbReplica
from mesh.storage.files import DATA_NAME, LOCK_NAME, DirectoryLock, replace_file, sync_directory
from mesh.storage.opening import Shape, verify_structure
from mesh.storage.unfinished import fresh_directory

LEDGER = Path("data") / "ledger"
CARD = "backup.json"
FORMAT = 1


class Card(Struct, frozen=True):
    """What a backup says of itself, in `backup.json`. `mesh` is hexadecimal, `at` in UTC, `digest` the SHA-256 of the file."""

    format: int
    mesh: str
    mesh_name: str
    node: str
    at: str
    batches: int
    writers: int
    fingerprint: str
    digest: str


class Outlook(Struct, frozen=True):
    """What a restore does, per writer. `aside`: where the ledger that was there is now; empty before, and where there was none.

    `unreadable`: why nothing can be said of what would be lost.
    """

    card: Card
    balances: list[Balance]
    aside: str = ""
    unreadable: str = ""


def verify_node(folder: Path, progress: Progress | None = None) -> Report:
    """Check the ledger of the node in `folder`, which must not be running, against its own log.

    Raises UsageError where `folder` is no node's, StorageError where the ledger is in use, absent, or can't even be opened.
    """
    identity = load_node(folder)
    ledger = folder / LEDGER
    if not ledger.is_dir():
        raise StorageError(f"{ledger} is not there: this node has never run, so there is nothing to verify.")
    with _locked(ledger), read_only(ledger, _shape(identity)) as reader:
        return verify_replica(reader, identity.mesh, KeyTrust(identity), progress)


def make_backup(folder: Path, target: Path, progress: Progress | None = None) -> Card:
    """Copy the ledger of the node in `folder`, running or not, into the new directory `target`, and verify the copy.

    Raises UsageError where `target` exists or `folder` is no node's, StorageError where a disk refuses or the copy is not whole;
    there is no `target` then.
    """
    identity = load_node(folder)
    if os.path.lexists(target):
        raise UsageError(
            f"{target} exists already; nothing was written", field="target", todo="name a directory that is not there"
        )
    with fresh_directory(target.absolute().parent, target.name) as made:
        copy_live(folder / LEDGER, made, _shape(identity))
        _forget_life(made, identity)
        card = _card(identity, _verified(made, identity, progress), made)
        replace_file(made / CARD, msgspec.json.format(msgspec.json.encode(card)) + b"\n")
        made.rename(target)
        sync_directory(target.absolute().parent)
    return card


def preview_restore(backup: Path, folder: Path, progress: Progress | None = None) -> Outlook:
    """What `restore_backup` would do. Verifies the backup, changes nothing, and raises what `restore_backup` would."""
    identity = load_node(folder)
    with ExitStack() as stack:
        if (folder / LEDGER).is_dir():
            stack.enter_context(_locked(folder / LEDGER))
        return _outlook(backup, folder, identity, progress)


def restore_backup(backup: Path, folder: Path, progress: Progress | None = None) -> Outlook:
    """Put a backup into the folder of a node of the same mesh, which must not be running. An older ledger is moved aside.

    Raises UsageError where one of the two is not what it has to be, StorageError where the ledger is in use, the backup is
    damaged, or the disk refuses; the ledger is then where it was, or beside it under the name in the message.
    """
    identity = load_node(folder)
    ledger = folder / LEDGER
    with ExitStack() as stack:
        if ledger.is_dir():
            stack.enter_context(_locked(ledger))
        outlook = _outlook(backup, folder, identity, progress)
        made = stack.enter_context(fresh_directory(ledger.parent, ledger.name))
        copy_file(backup, made)
        stack.enter_context(_locked(made))  # A node that starts now is told, and doesn't begin an empty ledger.
        aside = _exchange(ledger, made)
    return msgspec.structs.replace(outlook, aside=str(aside) if aside else "")


def _exchange(ledger: Path, made: Path) -> Path | None:
    """Put `made` in the place of `ledger`; where that one is now."""
    aside = _free_name(ledger) if ledger.exists() else None
    try:
        if aside is not None:
            ledger.rename(aside)
        made.rename(ledger)
        sync_directory(ledger.parent)
    except OSError as problem:
        kept = f" The ledger that was there is in {aside}: move it back." if aside and aside.exists() else ""
        raise StorageError(f"{made} could not be moved to {ledger}: {problem.strerror}.{kept}") from problem
    return aside


def _outlook(backup: Path, folder: Path, identity: Identity, progress: Progress | None) -> Outlook:
    card = _read_card(backup, identity)
    with read_only(backup, _shape(identity)) as coming:
        _check_whole(verify_replica(coming, identity.mesh, KeyTrust(identity), progress), backup)
        if not (folder / LEDGER / DATA_NAME).exists():
            return Outlook(card, balances(MemoryReplica(), coming, identity.mesh))
        try:
            with read_only(folder / LEDGER, _shape(identity)) as present:
                return Outlook(card, balances(present, coming, identity.mesh))
        except (MeshError, msgspec.MsgspecError) as problem:  # A damaged ledger is why people restore.
            return Outlook(card, [], unreadable=str(problem))


def _read_card(backup: Path, identity: Identity) -> Card:
    try:
        card = msgspec.json.decode((backup / CARD).read_bytes(), type=Card)
    except FileNotFoundError:
        raise UsageError(
            f"{backup} is no backup: a file {CARD} was expected in it",
            field="backup",
            todo="name a directory made by `mesh backup`",
        ) from None
    except (OSError, msgspec.MsgspecError) as problem:
        raise StorageError(f"{backup / CARD} can't be read: {problem}. Take another backup.") from problem
    if card.format != FORMAT:
        raise StorageError(
            f"{backup} has format {card.format}, and this program reads {FORMAT}. Use the version of the mesh that made it."
        )
    if card.mesh != identity.mesh.hex():
        raise UsageError(
            f"{backup} is of mesh {card.mesh_name} ({card.mesh}), and {identity.folder} of mesh {identity.mesh_name} "
            f"({identity.mesh.hex()})",
            field="backup",
            rule="a backup goes into a node of its own mesh",
        )
    if _digest(backup) != card.digest:
        raise StorageError(
            f"{backup / DATA_NAME} is not the file that was backed up: it was changed. Take another backup."
        )
    return card


def _card(identity: Identity, report: Report, made: Path) -> Card:
    return Card(
        format=FORMAT,
        mesh=identity.mesh.hex(),
        mesh_name=identity.mesh_name,
        node=identity.name,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        batches=report.batches,
        writers=report.writers,
        fingerprint=report.fingerprint,
        digest=_digest(made),
    )


def _digest(directory: Path) -> str:
    try:
        with open(directory / DATA_NAME, "rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as problem:
        raise StorageError(
            f"{directory / DATA_NAME} can't be read: {problem.strerror}. Take another backup."
        ) from problem


def _forget_life(made: Path, identity: Identity) -> None:
    """Take out what belongs to the node and not to the ledger, and the files that only an open database needs."""
    verify_structure(made)
    replica = LmdbReplica.open(made, LEDGER_TABLES, mesh=identity.mesh, durable=True)
    try:
        replica.write([Write(Table.META, key, None) for key in (ERA, BOOT, OPENS)])
    finally:
        replica.close()
    (made / DATA_NAME).chmod(0o600)
    for name in (LOCK_NAME, "lock.mdb"):
        (made / name).unlink(missing_ok=True)


def _verified(made: Path, identity: Identity, progress: Progress | None) -> Report:
    with read_only(made, _shape(identity)) as reader:
        report = verify_replica(reader, identity.mesh, KeyTrust(identity), progress)
    _check_whole(report, identity.folder / LEDGER)
    return report


def _check_whole(report: Report, place: Path) -> None:
    if not report.is_whole:
        raise StorageError(
            f"{place} is damaged in {report.found} places, first {report.differences[0]}. Nothing was changed. "
            "Use another backup, or let the peers send what they have to a node that starts empty."
        )


def _shape(identity: Identity) -> Shape:
    return Shape(LEDGER_TABLES, identity.mesh, durable=True)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    lock = DirectoryLock.take(directory)
    try:
        yield
    finally:
        lock.release()


def _free_name(ledger: Path) -> Path:
    number = 1
    while os.path.lexists(aside := ledger.with_name(f"{ledger.name}.replaced-{number}")):
        number += 1
    return aside
