"""Blame: who gave each shown field of a record its value, and what an end took from it.

Invariant: as in `mesh/api/past.py`.
"""

from collections.abc import Iterable

from mesh.api.conflicts import KINDS, peer_of
from mesh.api.past import never
from mesh.api.provenance import BlameAnswer, BlameRow, RecordBlame, RevokedRow
from mesh.api.reading import catch_up, position_of
from mesh.api.revoked import end_said, revoked_changes
from mesh.api.walking import each
from mesh.crdt.batch import Kind
from mesh.crdt.cell import Sibling
from mesh.crdt.clock import seconds_of
from mesh.crdt.history import Made
from mesh.crdt.replica import Reader
from mesh.crdt.standing import end_of, read_batch
from mesh.crdt.token import encode_token
from mesh.crdt.view import read_record, value_of
from mesh.ids import RecordId
from mesh.model.naming import check_key
from mesh.runtime.node import Node


async def blame(node: Node, params: RecordBlame) -> BlameAnswer:
    """Who wrote each shown field of a record, and what was taken back of it. Raises NotFound, Behind, UsageError."""
    check_key(params.collection, params.key)
    await catch_up(node, params)
    record = RecordId(params.collection, params.key)
    with node.read() as reader:
        stored, position = read_record(reader, record), position_of(reader)
    revoked = newest_of((await revoked_changes(node, record)).values())
    if stored is None and not revoked:
        raise never(node, record)
    unsettled = set(stored.conflicts()) if stored is not None else set()
    fields = [
        (field, sibling)
        for field in (stored.cells if stored is not None else ())
        if stored is not None and (sibling := stored.showing(field).sibling) is not None and sibling.kind is Kind.PUT
    ]
    items = await each(node, fields, lambda reader, one: _blame_row(node, reader, *one, one[0] in unsettled))
    taken = await each(node, revoked, lambda reader, one: _revoked_row(node, reader, one))
    buried = stored is not None and stored.buried
    return BlameAnswer(record.collection, record.key, buried, items, taken, encode_token(position))


def newest_of(made: Iterable[Made]) -> list[Made]:
    """The newest change of each field, in order of the fields."""
    newest: dict[str, Made] = {}
    for one in sorted(made, key=lambda one: one.rank):
        newest[one.change.field] = one
    return [newest[field] for field in sorted(newest)]


def _blame_row(node: Node, reader: Reader, field: str, sibling: Sibling, conflict: bool) -> BlameRow:
    opened = read_batch(reader, sibling.dot)
    return BlameRow(
        field=field,
        value=value_of(sibling),
        author=sibling.author,
        at=seconds_of(sibling.stamp),
        reason=opened.content.about.get("reason", "") if opened is not None else "",
        dot=str(sibling.dot),
        peer=peer_of(node, reader, sibling.dot.writer),
        batch=opened.hash.hex() if opened is not None else "",
        conflict=conflict,
    )


def _revoked_row(node: Node, reader: Reader, one: Made) -> RevokedRow:
    sibling, opened = one.sibling, read_batch(reader, one.dot)
    return RevokedRow(
        field=one.change.field,
        kind=KINDS[sibling.kind],
        value=value_of(sibling) if sibling.kind is Kind.PUT else None,
        author=sibling.author,
        at=seconds_of(sibling.stamp),
        reason=one.about.get("reason", ""),
        dot=str(one.dot),
        peer=peer_of(node, reader, one.dot.writer),
        batch=one.batch.hex(),
        end=end_said(end_of(reader, opened)) if opened is not None else None,
    )
