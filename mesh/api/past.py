"""The past as people see it: history, a record as it was, what differs, and the way back.

Invariant: the log is read in slices (mesh/api/walking.py), and only within a position that was read first; applied batches never
change, so all slices together speak of that one position.
"""

from collections.abc import Mapping
from datetime import datetime
from heapq import heappush, heappushpop

from mesh.api.conflicts import KINDS, peer_of
from mesh.api.faults import Behind
from mesh.api.provenance import (
    DiffRecord,
    FieldDiff,
    HistoryAnswer,
    HistoryRow,
    Moment,
    RecordDiff,
    RecordHistory,
    RecordThen,
    RevertRecord,
    ShowAt,
    Standing,
)
from mesh.api.reading import Position, catch_up, position_of, row_of
from mesh.api.revoked import revoked_changes
from mesh.api.walking import each, walk
from mesh.api.writing import write
from mesh.crdt.batch import Kind, decode_batch, reread
from mesh.crdt.branches import spans_of
from mesh.crdt.clock import seconds_of
from mesh.crdt.cut import Cut, last_stamp
from mesh.crdt.history import Made, Place, Refold, changes_in
from mesh.crdt.replica import Reader
from mesh.crdt.standing import Standings, end_of, is_live, read_batch, said_of
from mesh.crdt.token import decode_token, encode_token
from mesh.crdt.view import StoredRecord, value_of
from mesh.errors import NotFound, UsageError
from mesh.ids import Dot, RecordId, read_dot
from mesh.model.fields import differ
from mesh.model.naming import check_key
from mesh.records import BuryRecord, PutRecord
from mesh.runtime.node import Node
from mesh.runtime.rows import Receipt

SECONDS_MAX = 1e11  # What a stamp can hold, and some 3,000 years.
REVERT_WAIT_S = 5.0  # A revert to a token that this peer has not applied yet waits as long as a read does.

Rank = tuple[int, Dot]


async def history(node: Node, params: RecordHistory) -> HistoryAnswer:
    """The newest changes of a record, or the newest behind a cursor, oldest first. Raises NotFound, Behind, UsageError."""
    before = read_cursor(params.before) if params.before else None
    record = await _record(node, params)
    position = present(node)
    newest: list[tuple[Rank, Made]] = []
    total = 0

    def look(reader: Reader, place: Place, row: bytes) -> None:
        for one in changes_in(reader, place, row, record):
            take(one)

    def take(one: Made) -> None:
        nonlocal total
        total += 1
        if before is not None and one.rank >= before:
            return
        if len(newest) <= params.limit:
            heappush(newest, (one.rank, one))
        else:
            heappushpop(newest, (one.rank, one))

    await walk(node, position, look)
    revoked = await revoked_changes(node, record)
    for one in revoked.values():
        take(one)
    if not total:
        raise never(node, record)
    page = [one for _, one in sorted(newest)[-params.limit :]]
    standings = Standings()
    rows = await each(node, page, lambda reader, one: _history_row(node, reader, one, standings, one.dot in revoked))
    following = cursor(page[0].rank) if len(newest) > len(page) else None
    return HistoryAnswer(
        record.collection, record.key, rows, following is not None, following, total, encode_token(position)
    )


def cursor(rank: Rank) -> str:
    """The place of a change in a history, as text."""
    return f"{rank[0]}-{rank[1]}"


def read_cursor(given: str) -> Rank:
    """The place that a cursor names. Raises UsageError."""
    stamp, _, dot = given.partition("-")
    try:
        rank = int(stamp), read_dot(dot)
        if cursor(rank) != given:
            raise ValueError(given)
        return rank
    except ValueError:
        raise UsageError(
            f"the `next` of an earlier page was expected, {given[:80]!r} came",
            field="before",
            rule="a cursor of this API",
            todo="leave it out to begin with the newest",
        ) from None


async def show_at(node: Node, params: ShowAt) -> RecordThen:
    """A record as it was. Raises Behind, UsageError."""
    record = await _record(node, params)
    position = await _position_at(node, params.at, params.timeout_s)
    (stored,) = await _folded(node, record, position)
    return _then(record, stored, position)


async def diff(node: Node, params: DiffRecord) -> RecordDiff:
    """What differs in a record between two moments. Raises Behind, UsageError."""
    record = await _record(node, params)
    first = await _position_at(node, params.a, params.timeout_s)
    second = await _position_at(node, params.b, params.timeout_s)
    a, b = await _folded(node, record, first, second)
    return RecordDiff(_then(record, a, first), _then(record, b, second), differences(_fields(a), _fields(b)))


async def revert(node: Node, params: RevertRecord) -> Receipt:
    """Make a record what it was, as a new change. Raises NotFound, Refused where it is buried now, Behind, UsageError."""
    record = RecordId(params.collection, params.key)
    check_key(params.collection, params.key)
    position = await _position_at(node, params.to, REVERT_WAIT_S)
    (stored,) = await _folded(node, record, position)
    then = _then(record, stored, position)
    if then.standing == "shown":
        return await write(node, params, PutRecord(record, then.value))
    return await write(node, params, BuryRecord(record))


def differences(a: Mapping[str, object], b: Mapping[str, object]) -> list[FieldDiff]:
    """The fields whose values differ, by name."""
    found: list[FieldDiff] = []
    for field in sorted(dict.fromkeys([*a, *b])):
        if field not in a:
            found.append(FieldDiff(field, "added", None, b[field]))
        elif field not in b:
            found.append(FieldDiff(field, "removed", a[field], None))
        elif differ(a[field], b[field]):
            found.append(FieldDiff(field, "changed", a[field], b[field]))
    return found


def read_moment(given: Moment) -> float | str:
    """Seconds since 1970, or the token where it is one. Raises UsageError for a time that makes no sense."""
    if isinstance(given, str):
        try:
            seconds = _seconds_in(given)
        except ValueError:
            return given
    else:
        seconds = given
    if not 0 <= seconds <= SECONDS_MAX:
        raise UsageError(
            f"a time since 1970 was expected, {seconds:g} came", field="at", todo="give seconds, or a date"
        )
    return seconds


def _seconds_in(text: str) -> float:
    """The time in a text: a number, or ISO 8601. Raises ValueError for what is neither, UsageError without an offset."""
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise UsageError(
            f"{text} is a different moment in each time zone",
            field="at",
            rule="ISO 8601 with an offset",
            todo="write it as in 2026-11-21T09:30:00+01:00, or with Z",
        )
    return moment.timestamp()


async def _record(node: Node, params: RecordHistory | ShowAt | DiffRecord) -> RecordId:
    check_key(params.collection, params.key)
    await catch_up(node, params)
    return RecordId(params.collection, params.key)


def present(node: Node) -> Position:
    """What is applied of every writer now."""
    with node.read() as reader:
        return position_of(reader)


async def _position_at(node: Node, moment: Moment, timeout_s: float) -> Position:
    """The position that a token names, or the largest causally closed one whose stamps are not after a time."""
    given = read_moment(moment)
    if isinstance(given, float | int):
        return await _cut_at(node, given)
    position = decode_token(given)
    if not await node.wait_until_covered(given, timeout_s):
        raise Behind(f"{node.name} has not yet applied everything that the token names, after {timeout_s:g} s")
    return position


async def _cut_at(node: Node, seconds: float) -> Position:
    with node.read() as reader:
        cut = Cut(reader, position_of(reader), last_stamp(seconds))
        position = cut.position(reader)
    cutting = True
    while cutting:
        cutting = False

        def look(reader: Reader, place: Place, row: bytes) -> None:
            nonlocal cutting
            cutting = cut.look(reader, place[0], reread(decode_batch(row))) or cutting

        await walk(node, position, look)
        with node.read() as reader:
            position = cut.position(reader)
    return position


async def _folded(node: Node, record: RecordId, *positions: Position) -> list[StoredRecord | None]:
    """A record as it was at each of the positions, from one walk through the log."""
    with node.read() as reader:
        folds = [(spans_of(reader, position), Refold(record)) for position in positions]
    furthest = {w: max(position.get(w, 0) for position in positions) for position in positions for w in position}

    def look(reader: Reader, place: Place, row: bytes) -> None:
        found = changes_in(reader, place, row, record)
        for spans, fold in folds:
            if place[1] <= spans.get(place[0], 0):
                for one in found:
                    fold.add(one)

    await walk(node, furthest, look)
    return [fold.result() for _, fold in folds]


def _history_row(node: Node, reader: Reader, one: Made, standings: Standings, is_revoked: bool) -> HistoryRow:
    sibling = one.sibling
    opened = read_batch(reader, one.dot) if is_revoked else None
    end = end_of(reader, opened) if opened is not None else None
    return HistoryRow(
        field=one.change.field,
        kind=KINDS[sibling.kind],
        value=value_of(sibling) if sibling.kind is Kind.PUT else None,
        author=sibling.author,
        at=seconds_of(sibling.stamp),
        reason=one.about.get("reason", ""),
        intent=one.about.get("intent", ""),
        dot=str(one.dot),
        writer=one.dot.writer.hex(),
        peer=peer_of(node, reader, one.dot.writer),
        batch=one.batch.hex(),
        replaced=[str(dot) for dot in one.change.over],
        live=is_live(reader, one.change, one.dot),
        batch_standing=standings.of(reader, one.dot),
        revoked=said_of(end) if end is not None else "",
    )


def _then(record: RecordId, stored: StoredRecord | None, position: Position) -> RecordThen:
    token = encode_token(position)
    if stored is None or not (stored.exists or stored.buried):
        return RecordThen(record.collection, record.key, "none", {}, [], None, token)
    row = row_of(stored)
    standing: Standing = "buried" if stored.buried else "shown"
    return RecordThen(record.collection, record.key, standing, row.value, row.conflicts, row.changed, token)


def _fields(stored: StoredRecord | None) -> dict[str, object]:
    return stored.fields() if stored is not None else {}


def never(node: Node, record: RecordId) -> NotFound:
    """Nobody ever wrote that record, as far as this peer knows."""
    return NotFound(
        f"there never was a {record.collection} {record.key!r} at {node.name}",
        field="key",
        todo="list the collection",
    )
