"""The command on writers of which two branches are known: forks.

Invariant: what is printed names the node, the number at which the branches part, and each branch by the name it has everywhere.
"""

from mesh.cli.options import DEFAULT, Common
from mesh.cli.output import note, show_json, show_table
from mesh.cli.records import moment

COPIED = "a disk was copied or restored, or a key stolen; both branches are kept"


async def forks(*, common: Common = DEFAULT) -> None:
    """List writers that signed two different batches under one number. With --json also the signed batches, as proof."""
    async with common.client() as client:
        found = await client.forks()
    if common.json:
        return show_json(found)
    columns = ("node", "writer", "from batch", "branch", "newest", "by", "when")
    rows = [
        (
            fork.peer,
            fork.writer[:8],
            str(fork.number),
            branch.branch[:8],
            str(branch.newest),
            branch.author,
            moment(branch.at),
        )
        for fork in found
        for branch in fork.branches
    ]
    show_table(columns, rows)
    return note(f"{len(found)} forks" + (f": {COPIED}" if found else ""))
