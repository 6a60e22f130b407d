"""Ends for people: what one would take, what there are, and a new one.

Invariant: this peer signs no end and believes none that the mesh's admin has not signed.
"""

from collections.abc import Mapping

from mesh.api.conflicts import peer_of
from mesh.api.end_shapes import AddEnds, EndList, EndPreview, EndRow, EndTarget, PreviewEnd
from mesh.api.reading import position_of
from mesh.api.shapes import Nothing
from mesh.api.walking import each, walk_table
from mesh.crdt.batch import decode_batch, reread
from mesh.crdt.branches import WRITER_BYTES, Tree, branch_id
from mesh.crdt.clock import seconds_of
from mesh.crdt.ends import DOMAIN, End, SignedEnd, open_end, read_ends
from mesh.crdt.keys import batch_key
from mesh.crdt.lines import Context, Line, read_context
from mesh.crdt.looking import cuts_of
from mesh.crdt.replica import Reader, Table
from mesh.crdt.token import encode_token
from mesh.errors import MalformedMessage, NotFound, Refused, UsageError
from mesh.ids import NO_BATCH, Head, RecordId, WriterId
from mesh.runtime.node import Node
from mesh.security.trust import fingerprint

ITEMS_MAX = 200  # Records named in a preview; their number tells of the rest.
WRITER_DIGITS_MIN = 6  # Of a writer's id: fewer may be the name of a node.


async def preview_end(node: Node, params: PreviewEnd) -> EndPreview:
    """What an end would take here. Raises NotFound, UsageError."""
    with node.read() as reader:
        context, token = read_context(reader), encode_token(position_of(reader))
        tree = Tree(reader, context)
        ends = [_end(node, tree, context, writer, params) for writer in _writers(node, context, params)]
        keys = [_keys(tree, context, end) for end in ends]
        peers = [peer_of(node, reader, end.writer) for end in ends]
    targets = _of_nodes(node, params)
    touched: dict[RecordId, None] = {}
    for end, its, peer in zip(ends, keys, peers, strict=True):
        found = await each(node, its, _records)
        records = dict.fromkeys(record for records in found for record in records)
        touched |= records
        named = end.writer.hex(), peer, end.number, end.hash.hex(), end.branch.hex()
        targets.append(EndTarget(*named, len(its), len(records)))
    items = [str(record) for record in list(touched)[:ITEMS_MAX]]
    batches = sum(target.batches for target in targets)
    return EndPreview(node.identity.mesh.hex(), targets, batches, len(touched), items, token)


def _of_nodes(node: Node, params: PreviewEnd) -> list[EndTarget]:
    """The end of the node itself, where all of a node is meant."""
    if params.number or params.branch:
        return []
    members = [row for row in node.members() if params.whose in (row.name, row.node)]
    return [EndTarget("", row.name, 0, NO_BATCH.hex(), "", 0, 0, row.node) for row in members]


def _writers(node: Node, context: Context, params: PreviewEnd) -> list[WriterId]:
    whose = params.whose
    lines = [line for line in context.lines.values() if line.branch is None]
    owned = [line.have.writer for line in lines if whose in (_name(node, line), fingerprint(line.key).hex())]
    if len(whose) >= WRITER_DIGITS_MIN and not owned:
        owned = [line.have.writer for line in lines if line.have.writer.hex().startswith(whose)]
        if len(owned) > 1:
            raise UsageError(
                f"{whose!r} is the beginning of {len(owned)} writers", field="whose", todo="give more of it"
            )
    if not owned and _of_nodes(node, params):
        return []  # It is a member, and has written nothing.
    if not owned:
        raise NotFound(
            f"no writer or node {whose!r} has written anything that {node.name} holds",
            field="whose",
            todo="name a node, or a writer as `mesh history` or `mesh forks` shows it",
        )
    if len(owned) > 1 and (params.number or params.branch):
        raise UsageError(
            f"{whose} has written as {len(owned)} writers, and each has numbers of its own",
            field="whose",
            rule="a number or branch is one writer's",
            todo=f"name one of {', '.join(writer.hex() for writer in sorted(owned))}",
        )
    return sorted(owned)


def _name(node: Node, line: Line) -> str:
    return node.owner_name(fingerprint(line.key))


def _end(node: Node, tree: Tree, context: Context, writer: WriterId, params: PreviewEnd) -> End:
    """The end that is asked for, as far as it can be known before somebody signs it."""
    if params.branch:
        line, first = _branch(tree, context, writer, params.branch)
        number = first.number - 1
        behind = tree.head_at(line, number).hash if number else NO_BATCH
        return End(DOMAIN, node.identity.mesh, writer, number, behind, first.hash, "", "", 0)
    if not params.number:
        return End(DOMAIN, node.identity.mesh, writer, 0, NO_BATCH, b"", "", "", 0)
    tips = [line for line in context.family(writer) if line.have.number >= params.number]
    found = dict.fromkeys(tree.head_at(line, params.number).hash for line in tips)
    if len(found) != 1:
        raise UsageError(
            f"{len(found)} batches of {writer.hex()} have number {params.number}",
            field="number",
            rule="the last batch that stays is one batch, held here",
            todo="see `mesh forks`, and name a branch instead" if found else "give a lower number",
        )
    return End(DOMAIN, node.identity.mesh, writer, params.number, next(iter(found)), b"", "", "", 0)


def _branch(tree: Tree, context: Context, writer: WriterId, given: str) -> tuple[Line, Head]:
    """The first batch of the branch with that name or hash, and the line that holds it."""
    family = context.family(writer)
    forks = dict.fromkeys(line.first for line in family if line.branch is not None)
    firsts = [(line, tree.head_at(line, n)) for n in forks for line in family if line.first <= n <= line.have.number]
    names = [(line, head, head.hash.hex(), branch_id(writer, head.hash).hex()) for line, head in firsts]
    found = [(line, head) for line, head, *known in names if any(name.startswith(given) for name in known)]
    if len(found) != 1:
        raise UsageError(
            f"{len(found)} branches of {writer.hex()} begin with {given!r}", field="branch", todo="see `mesh forks`"
        )
    return found[0]


def _keys(tree: Tree, context: Context, end: End) -> list[bytes]:
    cuts = cuts_of(tree, context, end)
    return [batch_key(name, n) for name, cut in cuts.items() for n in range(cut, context.lines[name].have.number + 1)]


def _records(reader: Reader, key: bytes) -> list[RecordId]:
    row = reader.get(Table.BATCHES, key)
    return [change.record for change in reread(decode_batch(row)).changes] if row is not None else []


async def list_ends(node: Node, params: Nothing) -> EndList:
    """Every end that is durable here, by writer and number."""
    taken: dict[WriterId, int] = {}

    def count(reader: Reader, key: bytes, row: bytes) -> None:
        writer = WriterId(key[:WRITER_BYTES])
        taken[writer] = taken.get(writer, 0) + 1

    await walk_table(node, Table.ENDED, count)
    with node.read() as reader:
        ends, token = read_ends(reader), encode_token(position_of(reader))
        order = sorted(ends.by_name, key=lambda name: (ends.by_name[name].writer, ends.by_name[name].number, name))
        rows = [_row(node, reader, ends.by_name[name], ends.signed[name], taken) for name in order]
    return EndList(rows, token)


def _row(node: Node, reader: Reader, end: End, signed: SignedEnd, taken: Mapping[WriterId, int]) -> EndRow:
    return EndRow(
        writer="" if end.node is not None else end.writer.hex(),
        peer=node.owner_name(end.node) if end.node is not None else peer_of(node, reader, end.writer),
        number=end.number,
        hash=end.hash.hex(),
        branch=end.branch.hex(),
        reason=end.reason,
        author=end.author,
        at=seconds_of(end.stamp),
        batches=taken.get(end.writer, 0),
        content=signed.content.hex(),
        signature=signed.signature.hex(),
        node=end.node.hex() if end.node is not None else "",
    )


async def add_ends(node: Node, params: AddEnds) -> EndList:
    """Carry out ends. Raises Refused where the admin has not signed them, StorageError; nothing was changed then."""
    ends: list[SignedEnd] = []
    for given in params.ends:
        try:
            signed = SignedEnd(bytes.fromhex(given.content), bytes.fromhex(given.signature))
            open_end(signed, node.identity.mesh, node.loop.peer.trust)
        except (ValueError, MalformedMessage) as error:
            raise Refused(
                str(error), rule="an end counts with the admin's signature", todo="sign it with the mesh's ca.key"
            ) from None
        ends.append(signed)
    await node.take_ends(tuple(ends))
    return await list_ends(node, Nothing())
