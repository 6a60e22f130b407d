"""Writes as clients ask for them, handed to the ledger.

Invariant: one request becomes at most one batch; the author and the reason stand in it.
"""

from mesh.api.shapes import (
    BuryOp,
    NameRecord,
    Op,
    PatchOp,
    PatchParams,
    PutOp,
    PutParams,
    RestoreOp,
    SubmitParams,
    Writing,
)
from mesh.ids import RecordId
from mesh.records import BuryRecord, Operation, PatchRecord, PutRecord, RestoreRecord
from mesh.runtime.node import Node
from mesh.runtime.rows import Receipt

ANONYMOUS = "anonymous"


async def put_record(node: Node, params: PutParams) -> Receipt:
    """Make a record exactly the given value. Raises UsageError, Refused, StorageError."""
    return await write(node, params, PutRecord(RecordId(params.collection, params.key), params.value))


async def patch_record(node: Node, params: PatchParams) -> Receipt:
    """Merge into a record. Raises UsageError, NotFound, Refused, StorageError."""
    return await write(node, params, PatchRecord(RecordId(params.collection, params.key), params.patch))


async def bury_record(node: Node, params: NameRecord) -> Receipt:
    """Hide a record. Raises NotFound, StorageError."""
    return await write(node, params, BuryRecord(RecordId(params.collection, params.key)))


async def restore_record(node: Node, params: NameRecord) -> Receipt:
    """Show a buried record again. Raises NotFound, StorageError."""
    return await write(node, params, RestoreRecord(RecordId(params.collection, params.key)))


async def submit(node: Node, params: SubmitParams) -> Receipt:
    """Several operations as one batch. Raises as the single ones do; nothing was changed then."""
    return await write(node, params, *map(_operation, params.operations))


async def write(node: Node, params: Writing, *operations: Operation) -> Receipt:
    """Any operations as one batch, in the name and for the reason that `params` gives."""
    about = {name: text for name, text in (("reason", params.reason), ("intent", params.intent)) if text}
    return await node.submit(operations, params.author or ANONYMOUS, about)


def _operation(op: Op) -> Operation:
    record = RecordId(op.collection, op.key)
    match op:
        case PutOp():
            return PutRecord(record, op.value)
        case PatchOp():
            return PatchRecord(record, op.patch)
        case BuryOp():
            return BuryRecord(record)
        case RestoreOp():
            return RestoreRecord(record)
