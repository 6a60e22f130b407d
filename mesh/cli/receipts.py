"""`mesh receipt`: whether what was acknowledged still counts.

Invariant: exit code 1 where any batch that was asked after does not count.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mesh.cli.looking import line
from mesh.cli.options import DEFAULT, Common
from mesh.cli.output import show_json, show_line, show_table, show_text
from mesh.cli.records import moment

if TYPE_CHECKING:
    from mesh.client import MeshClient
    from mesh.client.transaction_answers import ReceiptState


async def receipt(
    *batch: str,
    watch: Annotated[bool, Parameter(negative="")] = False,
    common: Common = DEFAULT,
) -> int | None:
    """Show whether batches still count: applied, held, void, or revoked, and then by whose end and why.

    Parameters
    ----------
    batch
        As a write said it: the dot or the batch of its receipt; or a dot of a history.
    watch
        Print a line whenever that changes, until Ctrl-C.
    """
    async with common.client() as client:
        if watch:
            await _follow(client, batch, as_json=common.json)
        rows = await client.receipts(batch)
    if common.json:
        show_json(rows)
    else:
        show_table(("batch", "is", "by", "when", "why"), [_row(row) for row in rows])
    return None if all(row.state == "applied" for row in rows) else 1


async def _follow(client: "MeshClient", batches: Sequence[str], *, as_json: bool) -> None:
    async with client.watch_receipts(batches) as events:
        async for event in events:
            show_line(event) if as_json else show_text(line(event))


def _row(row: "ReceiptState") -> tuple[str, ...]:
    name = row.dot or row.batch
    if row.end is None:
        return name, row.state, "", "", row.why
    return name, row.state, row.end.author, moment(row.end.at), row.end.reason
