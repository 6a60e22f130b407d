"""Commands of the mesh's admin on writers that are not to be trusted: end, ends.

Invariant: nothing is signed before it was shown what would be taken back, and nothing without --yes.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mesh.cli.options import DEFAULT, Common
from mesh.cli.output import counted, note, show_json, show_table, show_text
from mesh.cli.records import moment

if TYPE_CHECKING:
    from mesh.client.fork_answers import EndPreview, EndTarget
    from mesh.runtime.identity import Admin

NOT_DONE = 1


async def end(
    whose: str,
    *,
    mesh: Path,
    reason: str,
    after: int = 0,
    branch: str = "",
    yes: Annotated[bool, Parameter(negative="")] = False,
    common: Common = DEFAULT,
) -> int:
    """Take back what a writer signed: all of it, what is behind one of its batches, or one branch. There is no way back.

    Parameters
    ----------
    whose
        A node, which means all the writers that it ever was, and that its certificate opens no door any more; or one writer, by the
        beginning of its id.
    mesh
        The mesh's own folder, which holds ca.key.
    reason
        Why; everybody is shown it.
    after
        The number of the last batch that stays; 0: none does.
    branch
        Of a writer that forked: only this branch, as `mesh forks` names it.
    yes
        Do it. Otherwise it is only shown what would be taken back.
    """
    from mesh.runtime.identity import load_admin

    admin = load_admin(mesh)
    async with common.client() as client:
        found = await client.preview_end(whose, number=after, branch=branch)
        if not common.json:
            _show_targets(found)
        if not yes:
            if common.json:
                show_json(found)
            note(
                f"{counted(found.batches, 'batch')} and {counted(found.records, 'record')} would be taken back; give --yes to do it"
            )
            return NOT_DONE
        signed = [_signed(target, admin, reason, common.signer()) for target in found.targets]
        ended = await client.add_ends(signed)
    if common.json:
        show_json(ended)
    _tell_ended(found)
    return 0


def _tell_ended(found: "EndPreview") -> None:
    writers = sum(bool(target.writer) for target in found.targets)
    barred = [target.peer for target in found.targets if target.node]
    taken = f"{counted(found.batches, 'batch')} of {counted(writers, 'writer')}"
    note(f"taken back: {taken}; every peer does the same when it hears of it")
    if barred:
        note(
            f"{', '.join(barred)} is let in nowhere any more; to trust that machine again, let it join in a fresh folder"
        )


def _show_targets(found: "EndPreview") -> None:
    columns = ("writer", "node", "stays up to", "batches", "records")
    rows = [(_what(t.writer), t.peer, str(t.number), str(t.batches), str(t.records)) for t in found.targets]
    show_table(columns, rows)
    show_text("\n".join(found.items))


def _what(writer: str) -> str:
    return writer or "the node itself"


def _signed(target: "EndTarget", admin: "Admin", reason: str, author: str) -> tuple[bytes, bytes]:
    """One end of what was previewed, with the admin's signature."""
    from mesh.crdt.clock import stamp_of
    from mesh.crdt.ends import DOMAIN, End, end_of_node, sign_end
    from mesh.ids import BatchHash, NodeId, WriterId

    if target.node:
        node = NodeId(bytes.fromhex(target.node))
        made = sign_end(end_of_node(admin.mesh, node, (reason, author), stamp_of(time.time())), admin.sign)
        return made.content, made.signature
    place = WriterId(bytes.fromhex(target.writer)), target.number, BatchHash(bytes.fromhex(target.hash))
    branch = bytes.fromhex(target.branch)
    one = sign_end(End(DOMAIN, admin.mesh, *place, branch, reason, author, stamp_of(time.time())), admin.sign)
    return one.content, one.signature


async def ends(*, common: Common = DEFAULT) -> None:
    """List the writers that an admin has ended."""
    async with common.client() as client:
        found = await client.ends()
    if common.json:
        return show_json(found)
    columns = ("node", "writer", "stays up to", "branch", "taken here", "by", "when", "reason")
    rows = [
        (r.peer, _what(r.writer), str(r.number), r.branch[:8], str(r.batches), r.author, moment(r.at), r.reason)
        for r in found
    ]
    show_table(columns, rows)
    return note(f"{len(found)} ends")
