"""The three fates of a batch: applied, void or held (DESIGN §5).

Invariant: a verdict depends on signed bytes and on applied batches alone, never on a clock, on the order of arrival or on the
current view; so every replica that holds the same batches says the same.
"""

import msgspec
from msgspec import Struct

from mesh.crdt.batch import SEMANTICS, Change, Kind, OpenBatch, decode_batch, open_batch
from mesh.crdt.branches import Need, Tree
from mesh.crdt.cell import decode_cell
from mesh.crdt.keys import FIELD_BYTES_MAX, batch_key, field_fault, record_fault, record_prefix
from mesh.crdt.lines import Line
from mesh.crdt.replica import Reader, Table
from mesh.ids import Dot, MeshId, WriterId

_PUT = Kind.PUT  # Looking up a member of an enum is not free, and is done once per change here.


class Applied(Struct, frozen=True):
    """All changes take effect, on the cells with these keys, one per change; `rows` are those that are there already."""

    keys: list[bytes]
    rows: dict[bytes, bytes]


class Void(Struct, frozen=True):
    """Counted in the context, without effect, shown with its reason."""

    reason: str


class Held(Struct, frozen=True):
    """Kept and passed on, not applied. `need` is the batch it waits for, where it waits for one."""

    reason: str
    need: Need | None = None


Verdict = Applied | Void | Held


def judge(reader: Reader, tree: Tree, mesh: MeshId, opened: OpenBatch, line: Line) -> Verdict:
    """The fate of a batch that follows directly on the applied head of `line`, or begins that branch."""
    content = opened.content
    if content.semantics > SEMANTICS:
        return Held(f"its rules are version {content.semantics}, newer than ours ({SEMANTICS}): upgrade this peer")
    if waiting := _missing(tree, opened):
        return waiting
    if any(head.writer == content.writer and head.number >= content.number for head in content.after):
        return Void("it comes after itself")
    if content.stamp <= tree.stamp_of(line):
        return Void("its stamp is not above its predecessor's")
    return _judge_changes(reader, tree, mesh, opened)


def _missing(tree: Tree, opened: OpenBatch) -> Held | None:
    """The first dependency that is not applied here. Every dot in `over` is one too."""
    content = opened.content
    for head in content.after:
        need = Need(head.writer, head.number, head.hash)
        if not _is_own_future(opened, head.writer, head.number) and not tree.is_applied(need):
            return _held(need)
    for change in content.changes:
        for dot in change.over:  # Whether it is that very batch is asked where it is looked for.
            if tree.has_number(dot.writer, dot.number) or _is_own_future(opened, dot.writer, dot.number):
                continue
            if not tree.is_gone(dot.writer, dot.number, dot.mark):
                return _held(Need(dot.writer, dot.number, b""))
    return None


def _is_own_future(opened: OpenBatch, writer: WriterId, number: int) -> bool:
    """A batch that names itself or its own future is void, not waiting."""
    return writer == opened.content.writer and number >= opened.content.number


def _held(need: Need) -> Held:
    return Held(f"waits for batch {need.number} of writer {need.writer.hex()}", need)


def _judge_changes(reader: Reader, tree: Tree, mesh: MeshId, opened: OpenBatch) -> Verdict:
    writer, number, changes = opened.content.writer, opened.content.number, opened.content.changes
    keys = keys_of(changes)
    if isinstance(keys, str):
        return Void(keys)
    rows = reader.find(Table.CELLS, keys)
    for change, key in zip(changes, keys, strict=True):
        if not change.over:
            continue
        for dot in change.over:
            if dot.number >= number and dot.writer == writer:
                return Void("it replaces a change that comes after it")  # Even one of another branch, live or not.
        if verdict := _judge_over(reader, tree, mesh, change, rows.get(key)):
            return verdict
    return Applied(keys, rows)


def keys_of(changes: tuple[Change, ...]) -> list[bytes] | str:
    """The keys of the cells that are changed, one per change; or why a batch with these changes is void whatever was before."""
    keys: list[bytes] = []
    record, prefix = None, b""
    for change in changes:
        if change.record != record:  # The changes of a record mostly stand together.
            record, prefix = change.record, record_prefix(change.record)
            if fault := record_fault(record):
                return fault
        field = change.field.encode()
        if change.kind is _PUT and 0 < len(field) <= FIELD_BYTES_MAX and 0 not in field:  # As nearly all are.
            fault = value_fault(change.value)
        else:
            fault = _change_fault(change, field)
        if fault:
            return fault
        keys.append(prefix + field)
    return keys if len(set(keys)) == len(keys) else _twice(changes, keys)


def _twice(changes: tuple[Change, ...], keys: list[bytes]) -> str:
    again = next(change for index, change in enumerate(changes) if keys[index] in keys[:index])
    return f"it changes {again.record} {again.field!r} twice"


def _judge_over(reader: Reader, tree: Tree, mesh: MeshId, change: Change, row: bytes | None) -> Void | Held | None:
    """Whether a change names only what was in its cell, whose present `row` is given."""
    live = {sibling.dot for sibling in decode_cell(row)}
    if change.kind is Kind.BURY:  # What is live in the record is a change of it, without a look at its batch.
        rows = reader.scan(Table.CELLS, record_prefix(change.record))
        live.update(sibling.dot for _, cell in rows for sibling in decode_cell(cell))
    for dot in change.over:
        if dot not in live and (verdict := _judge_dot(reader, tree, mesh, change, dot)):
            return verdict
    return None


def _change_fault(change: Change, field: bytes) -> str | None:
    """Why a change of the field with this name, in UTF-8, can have no effect anywhere."""
    if len(field) > FIELD_BYTES_MAX or 0 in field:
        return field_fault(field)
    kind = change.kind
    if (kind in (Kind.BURY, Kind.RESTORE)) != (not field):
        return "bury and restore speak of a record, put and clear of a field"
    return "only a put has a value" if change.value else None


def _no_extension(code: int, data: memoryview) -> object:
    raise ValueError(f"extension type {code}")


_SCALARS = frozenset((str, int, float, bool, type(None)))  # Every one that msgpack can hold can be shown as JSON.
_decode_value = msgspec.msgpack.Decoder(ext_hook=_no_extension).decode


def value_fault(value: bytes) -> str | None:
    """Why these bytes are not a value that every client can be shown, or None."""
    try:
        decoded = _decode_value(value)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        return f"a value is not a msgpack value: {error}"
    if type(decoded) in _SCALARS:
        return None
    try:
        msgspec.json.encode(decoded)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        return f"a value cannot be shown as JSON: {error}"
    return None


def _judge_dot(reader: Reader, tree: Tree, mesh: MeshId, change: Change, dot: Dot) -> Void | Held | None:
    """Whether `dot`, which is not live in the change's own cell, was ever a change of that cell (or record)."""
    need = Need(dot.writer, dot.number, dot.mark)
    line = tree.find(dot.writer, dot.number, dot.mark)
    if line is None and tree.is_gone(dot.writer, dot.number, dot.mark):
        return None  # An end took it, and what it said.
    if line is None or line.applied.number < dot.number:
        return _held(need)
    row = reader.get(Table.BATCHES, batch_key(line.id, dot.number))
    assert row is not None, f"batch {dot.number} of {line.id.hex()} is in the context, not in the log"
    named = open_batch(decode_batch(row), mesh)
    if not 0 <= dot.index < len(named.content.changes):
        return Void("it replaces a change that does not exist")
    target = named.content.changes[dot.index]
    same_cell = target.record == change.record and (change.kind is Kind.BURY or target.field == change.field)
    return None if same_cell else Void("it replaces a change of another cell")
