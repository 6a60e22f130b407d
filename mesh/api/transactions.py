"""Batches as people ask for them: what is left of a transaction, and what an intent has done so far.

Invariant: as in `mesh/api/walking.py`; whatever a batch says here is what its signed bytes say.
"""

from msgspec import Struct

from mesh.api.conflicts import KINDS, peer_of
from mesh.api.reading import catch_up, position_of
from mesh.api.transaction_shapes import (
    IntentAnswer,
    IntentBatch,
    IntentRecord,
    Replacement,
    ShowIntent,
    ShowTransaction,
    TransactionAnswer,
    TransactionChange,
)
from mesh.api.walking import walk
from mesh.crdt.batch import Kind, OpenBatch, decode_batch, hash_content, reread
from mesh.crdt.cell import Sibling
from mesh.crdt.clock import seconds_of
from mesh.crdt.history import Place
from mesh.crdt.replica import Reader
from mesh.crdt.standing import (
    Fate,
    Replacing,
    end_of,
    fate_of,
    followers_of,
    is_live,
    place_of,
    read_batch,
    replacing_in,
    said_of,
    standing_of,
)
from mesh.crdt.together import part_of
from mesh.crdt.token import encode_token
from mesh.crdt.view import value_of
from mesh.errors import NotFound, UsageError
from mesh.ids import Dot, RecordId, WriterId
from mesh.runtime.node import Node


async def show_transaction(node: Node, params: ShowTransaction) -> TransactionAnswer:
    """A batch, or by a dot the write that this change was asked for with, and what is left of it.

    Raises NotFound, Behind, UsageError.
    """
    named = read_named(params.batch)
    await catch_up(node, params)
    with node.read() as reader:
        opened, position = read_batch(reader, named), position_of(reader)
    if opened is None:
        raise NotFound(
            f"batch {params.batch} is not at {node.name}", field="batch", todo="take a dot from a history, or a receipt"
        )
    replacing: list[Replacing] = []
    with node.read() as reader:
        followers = followers_of(reader, opened)

    def look(reader: Reader, at: Place, row: bytes) -> None:
        replacing.extend(replacing_in(reader, at, row, opened, followers))

    await walk(node, position, look)
    with node.read() as reader:
        part = part_of(opened.content, named.index) if named.mark else range(len(opened.content.changes))
        return _transaction(node, reader, _Write(opened, part), replacing, encode_token(position))


def read_named(given: str) -> Dot:
    """The batch that a dot or a receipt's `writer.number` names. Raises UsageError."""
    parts = given.split(".")
    try:
        writer, number = bytes.fromhex(parts[0]), int(parts[1])
        index, mark = (int(parts[2]), bytes.fromhex(parts[3])) if len(parts) == 4 else (0, b"")
    except (ValueError, IndexError):
        writer, number, index, mark = b"", 0, 0, b""
    if len(writer) != 16 or number < 1 or len(parts) not in (2, 4):
        raise UsageError(
            f"a batch was expected, {given[:90]!r} came",
            field="batch",
            rule="writer.number, or a dot",
            todo="take a dot from a history, or the `batch` of a receipt",
        )
    return Dot(WriterId(writer), number, index, mark)


class _Write(Struct, frozen=True):
    """Some of the changes of a batch."""

    opened: OpenBatch
    part: range


def _transaction(
    node: Node, reader: Reader, write: _Write, replacing: list[Replacing], token: str
) -> TransactionAnswer:
    opened, content = write.opened, write.opened.content
    by_dot: dict[Dot, list[Replacing]] = {}
    for one in replacing:
        by_dot.setdefault(one.replaced, []).append(one)
    end = end_of(reader, opened)
    fate, why = fate_of(reader, place_of(reader, opened), content.writer) if end is None else ("revoked", said_of(end))
    changes: list[TransactionChange] = []
    for index in write.part:
        change, dot = content.changes[index], opened.dot(index)
        sibling = Sibling(dot, content.stamp, content.author, change.kind, change.value)
        live = fate == "applied" and is_live(reader, change, dot)
        by = [] if live else [_replacement(node, reader, one) for one in by_dot.get(dot, [])]
        place = (change.record.collection, change.record.key, change.field)
        changes.append(TransactionChange(*place, KINDS[change.kind], _value(sibling), str(dot), live, by))
    return TransactionAnswer(
        batch=f"{content.writer.hex()}.{content.number}",
        standing=standing_of(reader, opened, write.part),
        why=why,
        live=sum(change.live for change in changes),
        author=content.author,
        at=seconds_of(content.stamp),
        reason=content.about.get("reason", ""),
        intent=content.about.get("intent", ""),
        position=content.about.get("position", ""),
        writer=content.writer.hex(),
        peer=peer_of(node, reader, content.writer),
        changes=changes,
        token=token,
    )


def _value(sibling: Sibling) -> object:
    return value_of(sibling) if sibling.kind is Kind.PUT else None


def _replacement(node: Node, reader: Reader, one: Replacing) -> Replacement:
    made = one.sibling
    return Replacement(
        dot=str(made.dot),
        kind=KINDS[made.kind],
        value=_value(made),
        author=made.author,
        at=seconds_of(made.stamp),
        reason=one.about.get("reason", ""),
        peer=peer_of(node, reader, made.dot.writer),
    )


async def show_intent(node: Node, params: ShowIntent) -> IntentAnswer:
    """What an undertaking has done here so far. Raises Behind, UsageError."""
    if not params.intent:
        raise UsageError("an intent was expected", field="intent", rule="not empty", todo="give the id of one")
    await catch_up(node, params)
    with node.read() as reader:
        position = position_of(reader)
    found: list[tuple[int, IntentBatch]] = []
    records: dict[RecordId, dict[str, None]] = {}
    wanted = params.intent.encode()

    def look(reader: Reader, at: Place, row: bytes) -> None:
        if wanted not in row:  # The text stands in the row verbatim; most rows are never decoded.
            return
        content = reread(batch := decode_batch(row))
        if content.about.get("intent") != params.intent:
            return
        opened = OpenBatch(batch, hash_content(batch.content), content)
        fate, _ = fate_of(reader, at, content.writer)
        found.append((content.stamp, _intent_batch(opened, fate)))
        if fate == "applied":
            for change in content.changes:
                records.setdefault(change.record, {})[change.field] = None

    await walk(node, position, look)
    batches = [batch for _, batch in sorted(found, key=lambda one: (one[0], one[1].batch))]
    done = [IntentRecord(record.collection, record.key, sorted(records[record])) for record in sorted(records)]
    return IntentAnswer(params.intent, batches, done, encode_token(position))


def _intent_batch(opened: OpenBatch, fate: Fate) -> IntentBatch:
    content = opened.content
    return IntentBatch(
        batch=f"{content.writer.hex()}.{content.number}",
        position=content.about.get("position", ""),
        author=content.author,
        at=seconds_of(content.stamp),
        reason=content.about.get("reason", ""),
        changes=len(content.changes),
        fate=fate,
    )
