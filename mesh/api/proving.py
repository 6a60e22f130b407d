"""Proofs of who wrote a value, for people without the mesh.

Invariant: a proof holds stored bytes only, and what it holds is what one committed state showed; the chains behind it may be newer.
"""

from mesh.api.past import never
from mesh.api.proof_shapes import ProofAnswer, ProveField
from mesh.api.reading import Position, catch_up, position_of
from mesh.api.walking import walk
from mesh.crdt.batch import Batch, decode_batch, reread
from mesh.crdt.cell import Cell
from mesh.crdt.history import Place
from mesh.crdt.keys import batch_key
from mesh.crdt.proof import CHAIN_BYTES_MAX, DOMAIN, Proof, write_proof
from mesh.crdt.replica import Reader, Table
from mesh.crdt.token import encode_token
from mesh.crdt.view import read_record
from mesh.errors import NotFound
from mesh.ids import Dot, RecordId, WriterId
from mesh.model.naming import check_key
from mesh.runtime.node import Node


async def prove(node: Node, params: ProveField) -> ProofAnswer:
    """The signed batches that a field's values stand in, as a text. Raises NotFound, Behind, UsageError."""
    check_key(params.collection, params.key)
    await catch_up(node, params)
    record = RecordId(params.collection, params.key)
    with node.read() as reader:
        stored, position = read_record(reader, record), position_of(reader)
        if stored is None:
            raise never(node, record)
        cell = stored.cells.get(params.field, ())
        if not cell:
            fields = ", ".join(list(stored.cells)[:20])
            raise NotFound(f"{record} has no field {params.field!r}", field="field", todo=f"its fields are {fields}")
        proof = _proof(node, reader, record, params, cell)
    cut = False
    if params.chain:
        chain, cut = await _chain(node, cell, position)
        proof = Proof(**{name: getattr(proof, name) for name in Proof.__struct_fields__} | {"chain": tuple(chain)})
    return ProofAnswer(
        record.collection,
        record.key,
        params.field,
        write_proof(proof),
        len(cell),
        len(proof.chain),
        cut,
        encode_token(position),
    )


def _proof(node: Node, reader: Reader, record: RecordId, params: ProveField, cell: Cell) -> Proof:
    live = tuple(sibling.dot for sibling in cell)
    batches = _batches(reader, live)
    over = [dot for one, batch in zip(live, batches, strict=True) for dot in reread(batch).changes[one.index].over]
    replaced = _batches(reader, dict.fromkeys(over)) if params.chain else ()
    wanted = dict.fromkeys(reread(batch).certificate for batch in (*batches, *replaced))
    certificates = [reader.get(Table.CERTIFICATES, one) for one in wanted]
    return Proof(
        domain=DOMAIN,
        mesh=node.identity.mesh,
        record=record,
        field=params.field,
        live=live,
        batches=batches,
        certificates=tuple(raw for raw in certificates if raw is not None),
        replaced=replaced,
    )


def _batches(reader: Reader, dots: "tuple[Dot, ...] | dict[Dot, None]") -> tuple[Batch, ...]:
    rows = [reader.get(Table.BATCHES, batch_key(dot.writer, dot.number)) for dot in dots]
    return tuple(decode_batch(row) for row in rows if row is not None)


async def _chain(node: Node, cell: Cell, position: Position) -> tuple[list[Batch], bool]:
    """The batches of the value's writers behind it, up to the position; and whether they were cut at CHAIN_BYTES_MAX."""
    first: dict[WriterId, int] = {sibling.dot.writer: sibling.dot.number for sibling in cell}
    found: list[Batch] = []
    size = 0
    ended: dict[
        WriterId, None
    ] = {}  # A writer whose chain would not fit gets no later batch either: a chain has no gap.

    def look(reader: Reader, place: Place, row: bytes) -> None:
        nonlocal size
        writer, number = place
        if number <= first[writer] or writer in ended:
            return
        size += len(row)
        if size > CHAIN_BYTES_MAX:
            ended[writer] = None
        else:
            found.append(decode_batch(row))

    for writer, number in first.items():
        await walk(node, {writer: position[writer]}, look, (writer, number))
    return found, bool(ended)
