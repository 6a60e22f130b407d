"""The command reach: who reaches whom, how fast, and which way of a path fails.

Invariant: a cell of the matrix is about what its row's member sends to its column's.
"""

from typing import TYPE_CHECKING

from mesh.cli.options import DEFAULT, Common
from mesh.cli.output import counted, note, show_json, show_table, show_text

if TYPE_CHECKING:
    from mesh.runtime.rows import PathFault, Reaching, ReachRow

COLUMNS_MAX = 20  # More are no table on any screen: then each member has a line.
LOST, ARRIVES, UNANSWERED, STREAMS = "LOST", "arrives", "no answer", "no stream"


async def reach(member: str = "", *, common: Common = DEFAULT) -> None:
    """Show who reaches whom: within how many ms answers come, and where what one sends does not arrive at another.

    Parameters
    ----------
    member
        Its name: only its own paths, each way. Without it those of all; of more than 64 members only those with a fault.
    """
    async with common.client() as client:
        found = await client.reach(member)
    if common.json:
        return show_json(found)
    if member:
        _show_one(found, found.items[0])
    elif len(found.items) <= COLUMNS_MAX:
        _show_matrix(found)
    else:
        _show_lines(found)
    for fault in found.faults:
        show_text(told(fault), "red" if fault.how != "unanswered" else "yellow")
    if found.said < found.members:
        note(f"{counted(found.members - found.said, 'member')} of {found.members} have not said yet whom they reach")
    return note(f"{counted(len(found.faults), 'fault')} between {counted(found.members, 'member')}")


def told(fault: "PathFault") -> str:
    """A fault in words."""
    one, other = fault.one, fault.other
    match fault.how:
        case "one-way":
            return f"{one} -> {other}: nothing arrives; {other} -> {one} arrives: the fault goes one way"
        case "both-ways":
            return f"{one} <-> {other}: nothing arrives, either way"
        case "streams":
            return f"{one} -> {other}: no stream can be opened; datagrams pass"
        case _:
            return f"{one} -> {other}: no answer comes"


def cell(row: "ReachRow", other: str, faults: list["PathFault"]) -> str:
    """What becomes of what a row's member sends to another one."""
    for fault in faults:
        pair = (fault.one, fault.other)
        if pair == (row.name, other):
            lost = fault.how in ("one-way", "both-ways")
            return LOST if lost else STREAMS if fault.how == "streams" else UNANSWERED
        if pair == (other, row.name) and fault.how in ("one-way", "both-ways"):
            return LOST if fault.how == "both-ways" else ARRIVES
    if other in row.silent:
        return UNANSWERED
    return f"{row.reached[other]} ms" if other in row.reached else ""


def _show_matrix(found: "Reaching") -> None:
    names = [row.name for row in found.items]
    rows = [
        (row.name, *("" if row.name == other else cell(row, other, found.faults) for other in names))
        for row in found.items
    ]
    show_table(("from \\ to", *names), rows)


def _show_lines(found: "Reaching") -> None:
    rows = [
        (row.name, str(len(row.reached)), f"{max(row.reached.values(), default=0)} ms", ", ".join(row.silent))
        for row in found.items
    ]
    show_table(("member", "answered by (of the nearest 64)", "within", "has no answer from"), rows)


def _show_one(found: "Reaching", row: "ReachRow") -> None:
    others = sorted({*row.reached, *row.silent, *row.unstreamed})
    show_table((f"from {row.name} to", ""), [(other, cell(row, other, found.faults)) for other in others])
