"""Proofs of who wrote a value, for people without the mesh.

Invariant: a proof holds stored bytes only, and what it holds is what one committed state showed; the chains behind it may be newer.
"""

from mesh.api.past import never
from mesh.api.proof_shapes import ProofAnswer, ProveField
from mesh.api.reading import Position, catch_up, position_of
from mesh.api.walking import walk
from mesh.crdt.batch import Batch, decode_batch, reread
from mesh.crdt.branches import WRITER_BYTES, line_of
from mesh.crdt.cell import Cell
from mesh.crdt.history import Place
from mesh.crdt.keys import batch_key
from mesh.crdt.lines import LineId
from mesh.crdt.proof import CHAIN_BYTES_MAX, DOMAIN, Proof, write_proof
from mesh.crdt.replica import Reader, Table
from mesh.crdt.token import encode_token
from mesh.crdt.view import read_record
from mesh.errors import NotFound
from mesh.ids import Dot, RecordId
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
        with node.read() as reader:
            starts = {line_of(reader, sibling.dot): sibling.dot for sibling in cell}
        chain, cut = await _chain(node, starts, position)
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
    rows = [reader.get(Table.BATCHES, batch_key(line_of(reader, dot), dot.number)) for dot in dots]
    return tuple(decode_batch(row) for row in rows if row is not None)


async def _chain(node: Node, starts: dict[LineId, Dot], position: Position) -> tuple[list[Batch], bool]:
    """The batches behind the value's own in their lines, up to the position; and whether they were cut at CHAIN_BYTES_MAX."""
    found: list[Batch] = []
    size = 0
    ended: dict[LineId, None] = {}  # A line whose chain would not fit gets no later batch either: a chain has no gap.

    def look(reader: Reader, place: Place, row: bytes) -> None:
        nonlocal size
        line, number = place
        if line not in starts or number <= starts[line].number or line in ended:
            return
        size += len(row)
        if size > CHAIN_BYTES_MAX:
            ended[line] = None
        else:
            found.append(decode_batch(row))

    writers = dict.fromkeys(dot.writer for dot in starts.values())
    within = {key: number for key, number in position.items() if key[:WRITER_BYTES] in writers}
    await walk(node, within, look)
    return found, bool(ended)
