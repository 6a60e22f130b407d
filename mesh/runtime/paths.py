"""The rows of all members laid beside each other: who reaches whom, and which way of a path fails (DESIGN §7).

Invariant: whether something arrives is said by whom it should arrive at; where the two rows contradict each other, nothing more is
concluded than that an answer is missing.
"""

from collections.abc import Iterator, Mapping

import msgspec

from mesh.runtime.reach import Reach
from mesh.runtime.rows import PathFault, Reaching, ReachRow

ROWS_MAX = 64  # A matrix of more is no picture any more.
Rows = Mapping[str, Reach | None]  # Every member that is here, by name; None: it has said nothing yet.


def read_reach(value: object) -> Reach | None:
    """What a member has said; None where it can't be read."""
    try:
        return msgspec.convert(value, Reach)
    except msgspec.ValidationError:
        return None


def reaching(rows: Rows, wanted: str = "") -> Reaching:
    """Who reaches whom. `wanted`: of this member alone, and the faults that it is part of."""
    faults = [fault for fault in find_faults(rows) if wanted in ("", fault.one, fault.other)]
    names = sorted(rows)
    if wanted:
        names = [wanted]
    elif len(names) > ROWS_MAX:
        names = sorted({name for fault in faults for name in (fault.one, fault.other)})[:ROWS_MAX]
    items = [_row(name, rows.get(name)) for name in names]
    return Reaching(len(rows), sum(row is not None for row in rows.values()), items, faults)


def find_faults(rows: Rows) -> list[PathFault]:
    """What is wrong between any two, each once."""
    return [fault for name in sorted(rows) for fault in _faults_at(name, rows)]


def _faults_at(one: str, rows: Rows) -> Iterator[PathFault]:
    mine = rows[one]
    if mine is None:
        return
    for other in mine.silent:
        if other in rows and (how := _how(one, other, rows)):
            yield PathFault(one, other, how)
    for other in mine.unstreamed:
        if other in rows and other not in mine.silent:
            yield PathFault(one, other, "streams")


def _how(one: str, other: str, rows: Rows) -> str:
    """Why `one` has no answer from `other`; nothing where that is told from the other side."""
    mine, theirs = rows[one], rows[other]
    assert mine is not None
    arrives_here = other in mine.heard
    if theirs is None:
        return "one-way" if arrives_here else "unanswered"
    if one not in theirs.silent:
        return "unanswered"
    arrives_there = one in theirs.heard
    if arrives_here == arrives_there:
        return "unanswered" if arrives_here else "both-ways" if one < other else ""
    return "one-way" if arrives_here else ""


def _row(name: str, reach: Reach | None) -> ReachRow:
    if reach is None:
        return ReachRow(name, said=False)
    return ReachRow(name, True, reach.reached, reach.silent, reach.heard, reach.unstreamed)
