"""`mesh verify`, `mesh backup`, `mesh recover`: what is done to a node's files rather than asked of a node.

Invariant: nothing that was stored is deleted; what is damaged is named, and the exit code is 1 then.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import trio
from cyclopts import Parameter

from mesh.cli.options import DEFAULT, Common
from mesh.cli.output import counted, note, show_json, show_table, show_text

if TYPE_CHECKING:
    from mesh.crdt.verify import Progress, Report
    from mesh.runtime.backups import Outlook
    from mesh.runtime.contents import Prospect

DIFFERENT = 1
SHOWN_MAX = 50

Json = Annotated[bool, Parameter(name="--json", negative="")]


def verify(folder: Path, *, json_: Json = False) -> int:
    """Fold the signed log of the node in FOLDER again, and compare all that is stored. The node must not be running.

    Parameters
    ----------
    folder
        The node's folder.
    json_
        Print JSON.
    """
    from mesh.runtime.backups import verify_node

    with _progress() as progress:
        report = verify_node(folder, progress)
    if json_:
        show_json({"whole": report.is_whole, "report": report})
    else:
        _show_report(report)
    return 0 if report.is_whole else DIFFERENT


def backup(folder: Path, target: Path, *, json_: Json = False) -> None:
    """Copy the ledger of the node in FOLDER into the new directory TARGET, and verify the copy. The node may be running.

    Parameters
    ----------
    folder
        The node's folder.
    target
        A directory that is not there yet. No key is copied into it.
    json_
        Print JSON.
    """
    from mesh.runtime.backups import make_backup
    from mesh.storage.unfinished import sweep_unfinished

    for left in sweep_unfinished(target.absolute().parent):
        note(f"removed {left}, which a copy that was killed had left unfinished")
    with _progress() as progress:
        card = make_backup(folder, target, progress)
    if json_:
        show_json({"target": str(target), "backup": card})
        return
    held = f"{counted(card.batches, 'batch')} of {counted(card.writers, 'writer')}"
    show_text(f"{target} holds {held}, verified; fingerprint {card.fingerprint}")


def recover(
    backup: Path, folder: Path, *, preview: bool = False, json_: Json = False, common: Common = DEFAULT
) -> None:
    """Put BACKUP into the folder of a node of the same mesh. The node must not be running; it writes under a new identity then.

    Parameters
    ----------
    backup
        A directory made by `mesh backup`.
    folder
        The node's folder. A ledger that is there is moved aside.
    preview
        Only say what would be gained and lost. With --at URL also: compared with what that peer shows now.
    json_
        Print JSON.
    """
    from mesh.runtime.backups import preview_restore, restore_backup

    with _progress() as progress:
        outlook = preview_restore(backup, folder, progress) if preview else restore_backup(backup, folder, progress)
    compared = trio.run(_compare, backup, folder, common) if preview and common.at else None
    if json_ or common.json:
        show_json({"outlook": outlook, "peer": compared} if compared is not None else outlook)
        return
    _show_outlook(outlook)
    if compared is not None:
        _show_prospect(compared)
    if preview:
        show_text("nothing was changed: this was a preview")
        return
    if outlook.aside:
        show_text(f"the ledger that was there is in {outlook.aside}")
    show_text(f"the backup of {outlook.card.at} is in {folder}; start it with: mesh up {folder}")


async def _compare(backup: Path, folder: Path, common: Common) -> "Prospect":
    """Hold a backup against what a living peer shows."""
    from mesh.crdt.token import decode_token
    from mesh.ids import RecordId
    from mesh.runtime.contents import prospect, read_contents

    contents = read_contents(backup, folder)
    shown = {}
    async with common.client() as client:
        health = await client.health()
        for collection in contents.collections():
            for record in await client.records(collection):
                shown[RecordId(record.collection, record.key)] = record.value
    return prospect(contents, health.name, decode_token(health.token), shown)


def _show_prospect(compared: "Prospect") -> None:
    sides = (("not in the backup", compared.missing), ("other in the backup", compared.changed))
    for words, records in (*sides, (f"not at {compared.peer}", compared.extra)):
        for record in records[:SHOWN_MAX]:
            show_text(f"{record}: {words}")
        if len(records) > SHOWN_MAX:
            show_text(f"and {len(records) - SHOWN_MAX} more records {words}")
    show_text(
        f"{compared.peer} has {counted(compared.lacking, 'batch')} that the backup lacks, {compared.own} of them this node's own; "
        f"they come back when it runs. The backup has {compared.ahead} that {compared.peer} lacks"
    )


def _show_report(report: "Report") -> None:
    for difference in report.differences[:SHOWN_MAX]:
        show_text(str(difference))
    size = f"{counted(report.batches, 'batch')} of {counted(report.writers, 'writer')}, {counted(report.cells, 'cell')}"
    if report.is_whole:
        show_text(f"whole: {size}; fingerprint {report.fingerprint}")
        return
    rest = f", the first {SHOWN_MAX} shown" if report.found > SHOWN_MAX else ""
    show_text(f"NOT whole: {report.found} differences{rest}; {size}", "red")
    note(
        "to do: move data/ledger away and start the node: its peers send what they have; or put a backup in with mesh recover"
    )


def _show_outlook(outlook: "Outlook") -> None:
    if outlook.unreadable:
        note(f"the ledger that is there can't be read, so nobody can say what it holds: {outlook.unreadable}")
        return
    if not outlook.balances:
        show_text("the backup holds exactly what is there")
        return
    rows = [
        (b.writer, str(b.common), str(b.gained), str(b.gained_records), str(b.lost), str(b.lost_records))
        for b in outlook.balances
    ]
    show_table(("writer", "in both", "gained", "records", "lost here", "records"), rows)
    if any(balance.lost for balance in outlook.balances):
        note(
            "what is lost here comes back from the peers that have it; the ledger that is there is kept beside the new one"
        )


@contextmanager
def _progress() -> "Iterator[Progress]":
    """A line on a terminal's stderr that tells how far it is; nothing elsewhere."""
    shown = sys.stderr.isatty()

    def tell(done: int, total: int) -> None:
        if shown:
            sys.stderr.write(f"\rverifying: {done} of {total} batches")
            sys.stderr.flush()

    try:
        yield tell
    finally:
        if shown:
            sys.stderr.write("\r\x1b[K")
