"""What ends took, for people: which changes of a record, and by whose word.

Invariant: ENDED is only ever added to, so slices of it speak of one state.
"""

from mesh.api.provenance import EndSaid
from mesh.api.walking import each, walk_table
from mesh.crdt.clock import seconds_of
from mesh.crdt.ends import End
from mesh.crdt.history import Made, ended_changes
from mesh.crdt.replica import Reader, Table
from mesh.ids import Dot, RecordId
from mesh.runtime.node import Node


async def revoked_changes(node: Node, record: RecordId) -> dict[Dot, Made]:
    """The changes of a record that an end took."""
    keys: list[bytes] = []
    wanted = record.key.encode()

    def look(reader: Reader, key: bytes, row: bytes) -> None:
        if wanted in row:
            keys.append(key)

    await walk_table(node, Table.ENDED, look)
    found = await each(node, keys, lambda reader, key: ended_changes(reader, key, record))
    return {one.dot: one for some in found for one in some}


def end_said(end: End | None) -> EndSaid | None:
    """Who ended a writer, and why."""
    if end is None:
        return None
    return EndSaid(end.writer.hex(), end.number, end.author, end.reason, seconds_of(end.stamp))
