"""The three fates of a batch: applied, void or held (DESIGN §5).

Invariant: a verdict depends on signed bytes and on applied batches alone, never on a clock, on the order of arrival or on the
current view; so every replica that holds the same batches says the same.
"""

import msgspec
from msgspec import Struct

from mesh.crdt.batch import SEMANTICS, Change, Kind, OpenBatch, decode_batch, open_batch
from mesh.crdt.cell import decode_cell
from mesh.crdt.keys import batch_key, cell_key, name_fault
from mesh.crdt.lines import Lines
from mesh.crdt.replica import Reader, Table
from mesh.ids import Dot, MeshId, WriterId


class Applied(Struct, frozen=True):
    """All changes take effect."""


class Void(Struct, frozen=True):
    """Counted in the context, without effect, shown with its reason."""

    reason: str


class Held(Struct, frozen=True):
    """Kept and passed on, not applied. `need` is the writer and number it waits for, where it waits for one."""

    reason: str
    need: tuple[WriterId, int] | None = None


Verdict = Applied | Void | Held


def judge(reader: Reader, lines: Lines, mesh: MeshId, opened: OpenBatch) -> Verdict:
    """The fate of a batch that follows directly on its writer's applied head."""
    content = opened.content
    if content.semantics > SEMANTICS:
        return Held(f"its rules are version {content.semantics}, newer than ours ({SEMANTICS}): upgrade this peer")
    if waiting := _missing(lines, opened):
        return waiting
    if any(head.writer == content.writer and head.number >= content.number for head in content.after):
        return Void("it comes after itself")
    line = lines.get(content.writer)
    if line is not None and content.stamp <= line.stamp:
        return Void("its stamp is not above its predecessor's")
    return _judge_changes(reader, mesh, opened)


def _missing(lines: Lines, opened: OpenBatch) -> Held | None:
    """The first dependency that is not applied here. Every dot in `over` is one too."""
    needed = [(head.writer, head.number) for head in opened.content.after]
    needed += [(dot.writer, dot.number) for change in opened.content.changes for dot in change.over]
    for writer, number in needed:
        if writer == opened.content.writer and number >= opened.content.number:
            continue  # A batch that names itself or its own future is void, not waiting.
        line = lines.get(writer)
        if line is None or line.applied.number < number:
            return Held(f"waits for batch {number} of writer {writer.hex()}", (writer, number))
    return None


def _judge_changes(reader: Reader, mesh: MeshId, opened: OpenBatch) -> Verdict:
    seen: set[bytes] = set()
    for change in opened.content.changes:
        if fault := _change_fault(change):
            return Void(fault)
        key = cell_key(change.record, change.field)
        if key in seen:
            return Void(f"it changes {change.record} {change.field!r} twice")
        seen.add(key)
        live = {sibling.dot for sibling in decode_cell(reader.get(Table.CELLS, key))}
        for dot in change.over:
            if dot not in live and (verdict := _judge_dot(reader, mesh, opened, change, dot)):
                return verdict
    return Applied()


def _change_fault(change: Change) -> str | None:
    if fault := name_fault(change.record, change.field):
        return fault
    if (change.kind in (Kind.BURY, Kind.RESTORE)) != (change.field == ""):
        return "bury and restore speak of a record, put and clear of a field"
    if change.kind is not Kind.PUT:
        return "only a put has a value" if change.value else None
    return value_fault(change.value)


def _no_extension(code: int, data: memoryview) -> object:
    raise ValueError(f"extension type {code}")


_decode_value = msgspec.msgpack.Decoder(ext_hook=_no_extension).decode


def value_fault(value: bytes) -> str | None:
    """Why these bytes are not a value that every client can be shown, or None."""
    try:
        decoded = _decode_value(value)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        return f"a value is not a msgpack value: {error}"
    try:
        msgspec.json.encode(decoded)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        return f"a value cannot be shown as JSON: {error}"
    return None


def _judge_dot(reader: Reader, mesh: MeshId, opened: OpenBatch, change: Change, dot: Dot) -> Void | Held | None:
    """Whether `dot`, which is not live in the change's own cell, was ever a change of that cell (or record)."""
    if dot.writer == opened.content.writer and dot.number >= opened.content.number:
        return Void("it replaces a change that comes after it")
    row = reader.get(Table.BATCHES, batch_key(dot.writer, dot.number))
    if row is None:
        return Held(f"batch {dot.number} of writer {dot.writer.hex()} is not in the log here")
    named = open_batch(decode_batch(row), mesh)
    if named.hash[:8] != dot.mark:
        return Held(f"it names another batch {dot.number} of writer {dot.writer.hex()} than the one known here")
    if not 0 <= dot.index < len(named.content.changes):
        return Void("it replaces a change that does not exist")
    target = named.content.changes[dot.index]
    same_cell = target.record == change.record and (change.kind is Kind.BURY or target.field == change.field)
    return None if same_cell else Void("it replaces a change of another cell")
