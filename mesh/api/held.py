"""Batches that are kept without effect, as people see them: held ones wait, void ones broke a rule.

Invariant: a listing changes nothing, and holds no reader across an `await`; a retry only asks the ledger to judge again.
"""

from msgspec import Struct

from mesh.api.conflicts import peer_of
from mesh.api.fate_shapes import HeldList, HeldRow, Holder, ListVoid, Need, RetryHeldParams, VoidPage, VoidRow
from mesh.api.reading import catch_up, position_of
from mesh.api.shapes import Nothing
from mesh.api.walking import each
from mesh.crdt.batch import decode_batch, open_batch
from mesh.crdt.clock import seconds_of
from mesh.crdt.keys import batch_key, number_of
from mesh.crdt.lines import Line, read_family, read_line, read_lines
from mesh.crdt.replica import Reader, Table
from mesh.crdt.token import encode_token
from mesh.crdt.waiting import held_since
from mesh.errors import MalformedMessage, NotFound, UsageError
from mesh.ids import WriterId
from mesh.runtime.node import Node
from mesh.security.trust import fingerprint

RECORDS_MAX = 20  # Of a void batch: enough to see what it was about.
HELD_MARK, VOID_MARK = "held: ", "void: "


async def list_held(node: Node, params: Nothing) -> HeldList:
    """Every writer that is held up here, and why."""
    with node.read() as reader:
        lines, position = read_lines(reader), position_of(reader)
    waiting = [line for _, line in sorted(lines.items()) if line.applied.number < line.have.number]
    found = await each(node, waiting, lambda reader, line: _held_row(node, reader, line))
    quota = node.loop.peer.ledger.quota
    return HeldList(
        items=[row for row in found if row is not None],
        batches=quota.total.batches,
        bytes=quota.total.size,
        batches_max=quota.limits.held_batches_max,
        bytes_max=quota.limits.held_bytes_max,
        per_writer_max=quota.limits.held_per_writer_max,
        token=encode_token(position),
    )


async def retry_held(node: Node, params: RetryHeldParams) -> HeldList:
    """Judge held batches again; what is still held after it. Raises NotFound, UsageError, StorageError."""
    await node.retry_held(_writer(node, params.writer) if params.writer else None)
    return await list_held(node, Nothing())


async def list_void(node: Node, params: ListVoid) -> VoidPage:
    """A page of void batches. Raises Behind, UsageError."""
    after = _read_place(params.after_key) if params.after_key else b""
    await catch_up(node, params)
    with node.read() as reader:
        position = position_of(reader)
        fates = _void_keys(reader, after, params.limit + 1)
    page = fates[: params.limit]
    items = await each(node, page, lambda reader, key: _void_row(node, reader, key))
    following = f"{page[-1][:16].hex()}.{number_of(page[-1])}" if len(fates) > len(page) else None
    return VoidPage([row for row in items if row is not None], following, encode_token(position))


def _writer(node: Node, given: str) -> WriterId:
    with node.read() as reader:
        lines = read_lines(reader)
    late = [line.have.writer for line in lines.values() if line.applied.number < line.have.number]
    held = [writer for writer in sorted(dict.fromkeys(late)) if writer.hex().startswith(given)]
    if not held:
        raise NotFound(f"no writer {given!r} is held up at {node.name}", field="writer", todo="list what is held")
    if len(held) > 1:
        raise UsageError(
            f"{given!r} is the beginning of {len(held)} writers",
            field="writer",
            rule="one writer",
            todo="give more of its id, or none to try all",
        )
    return held[0]


class _First(Struct, frozen=True):
    """What the first held batch says of itself."""

    made_at: float | None = None
    author: str = ""


def _held_row(node: Node, reader: Reader, was: Line) -> HeldRow | None:
    writer = was.have.writer
    line = read_family(reader, writer).get(was.id)
    if line is None or line.applied.number == line.have.number:  # It was applied meanwhile.
        return None
    number = line.applied.number + 1
    key = batch_key(line.id, number)
    first = _first(node, reader.get(Table.BATCHES, key))
    reason = (reader.get(Table.FATES, key) or b"").decode(errors="replace").removeprefix(HELD_MARK)
    use = node.loop.peer.ledger.quota.of(line.id)
    need = node.loop.peer.ledger.blocked.get(line.id)
    return HeldRow(
        writer=writer.hex(),
        peer=peer_of(node, reader, writer),
        number=number,
        last=line.have.number,
        batches=use.batches,
        bytes=use.size,
        reason=reason or "it was not tried yet since this node started",
        since=held_since(reader, line.id),
        made_at=first.made_at,
        author=first.author,
        needs=Need(need.writer.hex(), need.number, peer_of(node, reader, need.writer)) if need is not None else None,
        may_have=_holders(node, [read_line(reader, need.writer), line]) if need is not None else [],
    )


def _first(node: Node, row: bytes | None) -> _First:
    try:
        content = open_batch(decode_batch(row or b""), node.identity.mesh).content
    except MalformedMessage:
        return _First()
    return _First(seconds_of(content.stamp), content.author)


def _holders(node: Node, lines: list[Line | None]) -> list[Holder]:
    """The nodes of those writers: who wrote what is waited for, and who had applied it when it wrote what waits."""
    rows = {row.node: row for row in node.members()}
    nodes = dict.fromkeys(fingerprint(line.key) for line in lines if line is not None)
    return [
        Holder(node.owner_name(one), (row := rows.get(one.hex())) is not None and row.standing in ("alive", "suspect"))
        for one in nodes
    ]


def _void_keys(reader: Reader, after: bytes, limit: int) -> list[bytes]:
    found: list[bytes] = []
    for key, row in reader.scan(Table.FATES, b"", after):
        if row.startswith(VOID_MARK.encode()):
            found.append(key)
        if len(found) >= limit:
            break
    return found


def _read_place(given: str) -> bytes:
    writer, _, number = given.partition(".")
    try:
        return batch_key(WriterId(bytes.fromhex(writer)), int(number))
    except (ValueError, OverflowError):
        raise UsageError(
            f"the `next` of an earlier page was expected, {given[:80]!r} came", field="after_key", todo="leave it out"
        ) from None


def _void_row(node: Node, reader: Reader, key: bytes) -> VoidRow | None:
    row, fate = reader.get(Table.BATCHES, key), reader.get(Table.FATES, key)
    if row is None or fate is None:
        return None
    opened = open_batch(decode_batch(row), node.identity.mesh)
    content = opened.content
    return VoidRow(
        writer=content.writer.hex(),
        peer=peer_of(node, reader, content.writer),
        number=content.number,
        batch=opened.hash.hex(),
        reason=fate.decode(errors="replace").removeprefix(VOID_MARK),
        author=content.author,
        at=seconds_of(content.stamp),
        said=content.about.get("reason", ""),
        records=list(dict.fromkeys(str(change.record) for change in content.changes))[:RECORDS_MAX],
    )
