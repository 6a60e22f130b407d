"""Commands on batches that are kept without effect: held, void.

Invariant: a reason is printed as the ledger gave it.
"""

from typing import TYPE_CHECKING, Literal

from mesh.cli.options import DEFAULT, Common
from mesh.cli.output import counted, note, show_json, show_table
from mesh.cli.records import moment

if TYPE_CHECKING:
    from mesh.client.answers import HeldWriter, VoidBatch

UNITS = ("bytes", "KiB", "MiB", "GiB")
STEP = 1024


async def held(action: Literal["list", "retry"] = "list", writer: str = "", *, common: Common = DEFAULT) -> None:
    """Show whose batches a peer keeps and cannot apply: since when, why, and who may have what is missing.

    Parameters
    ----------
    action
        `retry` lets the peer try them again, and shows what is held after it.
    writer
        With `retry`: only this writer; the beginning of its id is enough.
    """
    async with common.client() as client:
        found = await client.retry_held(writer) if action == "retry" else await client.held()
    if common.json:
        return show_json(found)
    if found.items:
        columns = ("writer", "node", "batches", "size", "since", "by", "reason", "may have it")
        show_table(columns, [_held(row) for row in found.items])
    note(
        f"held: {counted(found.batches, 'batch')}, of at most {found.batches_max} ({found.per_writer_max} of one writer)"
    )
    return note(f"they take {size(found.bytes)}, of at most {size(found.bytes_max)}")


async def void(*, common: Common = DEFAULT) -> None:
    """Show the batches that every peer counts and that have no effect, with the rule that each of them broke."""
    async with common.client() as client:
        found = await client.void()
    if common.json:
        return show_json(found)
    if found:
        columns = ("writer", "number", "node", "when", "by", "rule", "reason given", "records")
        show_table(columns, [_void(row) for row in found])
    return note(f"void: {counted(len(found), 'batch')}")


def size(count: int) -> str:
    """A number of bytes as people say it."""
    value, unit = float(count), 0
    while value >= STEP and unit < len(UNITS) - 1:
        value, unit = value / STEP, unit + 1
    return f"{value:.4g} {UNITS[unit]}"


def _held(row: "HeldWriter") -> tuple[str, ...]:
    numbers = f"{row.number}" if row.last == row.number else f"{row.number} to {row.last}"
    holders = ", ".join(f"{one.name}{'' if one.reachable else ' (not reachable)'}" for one in row.may_have)
    since = moment(row.since) if row.since is not None else ""
    return row.writer, row.peer, numbers, size(row.bytes), since, row.author, row.reason, holders


def _void(row: "VoidBatch") -> tuple[str, ...]:
    return (
        row.writer,
        str(row.number),
        row.peer,
        moment(row.at),
        row.author,
        row.reason,
        row.said,
        ", ".join(row.records),
    )
