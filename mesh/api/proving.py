"""Proofs of who wrote a value, for people without the mesh.

Invariant: a proof holds stored bytes only, and what it holds is what one committed state showed; the chains behind it may be newer.
"""

from collections.abc import Sequence
from itertools import islice

from msgspec.structs import replace

from mesh.api.past import never
from mesh.api.proof_shapes import ProofAnswer, ProveField
from mesh.api.reading import Position, catch_up, position_of
from mesh.api.walking import each, walk
from mesh.crdt.apart import places_between
from mesh.crdt.batch import Batch
from mesh.crdt.branches import WRITER_BYTES, line_of
from mesh.crdt.history import Place
from mesh.crdt.proof import BATCHES_MAX, CHAIN_BYTES_MAX, write_proof
from mesh.crdt.proving import Chains, prove_cell, read_batch
from mesh.crdt.quota import size_of
from mesh.crdt.replica import Reader
from mesh.crdt.token import encode_token
from mesh.crdt.view import read_record
from mesh.errors import NotFound, Refused
from mesh.ids import Dot, RecordId
from mesh.model.naming import check_key
from mesh.runtime.node import Node

BETWEEN_BYTES_MAX = 8 * 1024 * 1024  # Beside the rest, and in base64, still less than `read_proof` takes.


async def prove(node: Node, params: ProveField) -> ProofAnswer:
    """The signed batches that a field's values stand in, as a text. Raises NotFound, Behind, Refused, UsageError."""
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
        proof = prove_cell(reader, node.identity.mesh, (record, params.field), cell, replaced=params.chain)
        places = list(dict.fromkeys(islice(places_between(reader, proof.live), BATCHES_MAX)))
    proof = replace(proof, between=await _between(node, places))
    cut = False
    if params.chain:
        chains = await _chain(node, proof.live, position)
        proof, cut = replace(proof, chain=tuple(chains.found)), chains.cut
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


async def _between(node: Node, places: Sequence[Place]) -> tuple[Batch, ...]:
    """The batches in those places. Raises Refused where they are more than a proof holds."""
    size = 0

    def look(reader: Reader, place: Place) -> Batch:
        nonlocal size
        batch = read_batch(reader, place)
        assert batch is not None, f"batch {place[1]} is in the context, and not in the log"
        size += size_of(batch)
        if size > BETWEEN_BYTES_MAX:
            raise Refused(
                f"more than {BETWEEN_BYTES_MAX >> 20} MiB of batches lie between two values that one copied writer wrote",
                field="field",
                rule="a proof shows that none of the values that it names replaces another",
                todo="settle the conflict, and prove the value that is left",
            )
        return batch

    return tuple(await each(node, places, look))


async def _chain(node: Node, live: Sequence[Dot], position: Position) -> Chains:
    """The batches behind the value's own in their lines, up to the position."""
    with node.read() as reader:
        chains = Chains({line_of(reader, dot): dot.number for dot in live}, CHAIN_BYTES_MAX)
    writers = dict.fromkeys(dot.writer for dot in live)
    within = {key: number for key, number in position.items() if key[:WRITER_BYTES] in writers}
    await walk(node, within, chains.look)
    return chains
