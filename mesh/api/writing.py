"""Writes as clients ask for them, handed to the ledger.

Invariant: one request becomes at most one batch; the author and the reason stand in it.
"""

from msgspec import UNSET

from mesh.api.shapes import (
    BuryOp,
    Expected,
    NameRecord,
    Op,
    PatchOp,
    PatchParams,
    PutOp,
    PutParams,
    RestoreOp,
    SettleOp,
    SubmitParams,
    Writing,
)
from mesh.crdt.versions import Expect
from mesh.ids import RecordId
from mesh.records import BuryRecord, Operation, PatchRecord, PutRecord, RestoreRecord, SettleField
from mesh.runtime.node import Node
from mesh.runtime.rows import Receipt

ANONYMOUS = "anonymous"


async def put_record(node: Node, params: PutParams) -> Receipt:
    """Make a record exactly the given value. Raises UsageError, Refused, StorageError."""
    return await write(node, params, PutRecord(_record(params), params.value, expected(params.expect)))


async def patch_record(node: Node, params: PatchParams) -> Receipt:
    """Merge into a record. Raises UsageError, NotFound, Refused, StorageError."""
    return await write(node, params, PatchRecord(_record(params), params.patch, expected(params.expect)))


async def bury_record(node: Node, params: NameRecord) -> Receipt:
    """Hide a record. Raises NotFound, StorageError."""
    return await write(node, params, BuryRecord(_record(params), expected(params.expect)))


async def restore_record(node: Node, params: NameRecord) -> Receipt:
    """Show a buried record again. Raises NotFound, StorageError."""
    return await write(node, params, RestoreRecord(_record(params), expected(params.expect)))


async def submit(node: Node, params: SubmitParams) -> Receipt:
    """Several operations as one batch. Raises as the single ones do; nothing was changed then."""
    return await write(node, params, *map(_operation, params.operations))


async def write(node: Node, params: Writing, *operations: Operation) -> Receipt:
    """Any operations as one batch, in the name and for the reason that `params` gives."""
    said = {"reason": params.reason, "intent": params.intent, "position": params.position}
    about = {name: text for name, text in said.items() if text}
    return await node.submit(operations, params.author or ANONYMOUS, about)


def expected(given: Expected) -> Expect:
    """What a client expects, as the ledger checks it."""
    version = given.version
    versions = None if version is UNSET else (version,) if isinstance(version, str) else tuple(version)
    fields = {field: tuple(dots) for field, dots in given.fields.items()}
    return Expect(given.absent, given.exists, versions, given.token, fields)


def as_seen(field: str, seen: list[str]) -> Expect:
    """That a field's live changes are exactly the `seen` ones."""
    return Expect(fields={field: tuple(seen)})


def _record(params: PutParams | PatchParams | NameRecord) -> RecordId:
    return RecordId(params.collection, params.key)


def _operation(op: Op) -> Operation:
    record = RecordId(op.collection, op.key)
    match op:
        case PutOp():
            return PutRecord(record, op.value, expected(op.expect))
        case PatchOp():
            return PatchRecord(record, op.patch, expected(op.expect))
        case BuryOp():
            return BuryRecord(record, expected(op.expect))
        case RestoreOp():
            return RestoreRecord(record, expected(op.expect))
        case SettleOp():
            return SettleField(record, op.field, op.value, as_seen(op.field, op.seen))
