"""Every method of the API once: its name, its parameters, its answer. Websocket and REST both go through this table.

Invariant: a method gets decoded parameters only, and raises MeshError only.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct

from mesh.api import (
    blaming,
    conflicts,
    ends,
    forks,
    held,
    past,
    policies,
    proving,
    reaching,
    reading,
    receipts,
    state,
    transactions,
    undoing,
    writing,
)
from mesh.api.end_shapes import AddEnds, EndList, EndPreview, PreviewEnd
from mesh.api.fate_shapes import HeldList, ListVoid, RetryHeldParams, VoidPage
from mesh.api.faults import Invalid, UnknownMethod
from mesh.api.forks import ForkList
from mesh.api.policies import ExplainPolicy, ListPolicies, PolicyExplained, PolicyList
from mesh.api.proof_shapes import ProofAnswer, ProveField
from mesh.api.provenance import (
    BlameAnswer,
    ConflictPage,
    DiffRecord,
    HistoryAnswer,
    ListConflicts,
    RecordBlame,
    RecordDiff,
    RecordHistory,
    RecordThen,
    ResolveConflict,
    RevertRecord,
    ShowAt,
)
from mesh.api.receipt_shapes import ReceiptList, ShowReceipts
from mesh.api.shapes import (
    AskWhy,
    GetRecord,
    GetState,
    ListRecords,
    ListState,
    MemberList,
    NameRecord,
    Nothing,
    Params,
    PatchParams,
    PutParams,
    RecordAnswer,
    RecordPage,
    ShowReach,
    StateList,
    SubmitParams,
    Writing,
)
from mesh.api.transaction_shapes import IntentAnswer, ShowIntent, ShowTransaction, TransactionAnswer
from mesh.api.undo_shapes import UndoAnswer, UndoWindow
from mesh.runtime.node import Node
from mesh.runtime.rows import Health, Reaching, Receipt, Why

P = TypeVar("P", bound=Params)


class Method(Struct, frozen=True):
    """One thing that can be asked. `ask` decodes what was given and does it, for the connection's author. Raises MeshError."""

    params: type[Params]
    answer: type[Struct]
    ask: Callable[[Node, object, str], Awaitable[Struct]]


def _method(params: type[P], answer: type[Struct], call: Callable[[Node, P], Awaitable[Struct]]) -> Method:
    async def ask(node: Node, given: object, author: str) -> Struct:
        decoded = decode(params, given)
        if isinstance(decoded, Writing) and not decoded.author:
            decoded = msgspec.structs.replace(decoded, author=author)
        return await call(node, decoded)

    return Method(params, answer, ask)


METHODS: Mapping[str, Method] = {
    "records.get": _method(GetRecord, RecordAnswer, reading.get_record),
    "records.list": _method(ListRecords, RecordPage, reading.list_records),
    "records.put": _method(PutParams, Receipt, writing.put_record),
    "records.patch": _method(PatchParams, Receipt, writing.patch_record),
    "records.bury": _method(NameRecord, Receipt, writing.bury_record),
    "records.restore": _method(NameRecord, Receipt, writing.restore_record),
    "records.submit": _method(SubmitParams, Receipt, writing.submit),
    "records.history": _method(RecordHistory, HistoryAnswer, past.history),
    "records.blame": _method(RecordBlame, BlameAnswer, blaming.blame),
    "records.show_at": _method(ShowAt, RecordThen, past.show_at),
    "records.diff": _method(DiffRecord, RecordDiff, past.diff),
    "records.revert": _method(RevertRecord, Receipt, past.revert),
    "records.prove": _method(ProveField, ProofAnswer, proving.prove),
    "records.undo": _method(UndoWindow, UndoAnswer, undoing.undo),
    "conflicts.list": _method(ListConflicts, ConflictPage, conflicts.list_conflicts),
    "conflicts.resolve": _method(ResolveConflict, Receipt, conflicts.resolve_conflict),
    "ends.list": _method(Nothing, EndList, ends.list_ends),
    "ends.preview": _method(PreviewEnd, EndPreview, ends.preview_end),
    "ends.add": _method(AddEnds, EndList, ends.add_ends),
    "receipts.show": _method(ShowReceipts, ReceiptList, receipts.show_receipts),
    "forks.list": _method(Nothing, ForkList, forks.list_forks),
    "held.list": _method(Nothing, HeldList, held.list_held),
    "held.retry": _method(RetryHeldParams, HeldList, held.retry_held),
    "void.list": _method(ListVoid, VoidPage, held.list_void),
    "policies.list": _method(ListPolicies, PolicyList, policies.list_policies),
    "policies.explain": _method(ExplainPolicy, PolicyExplained, policies.explain_policy),
    "transactions.show": _method(ShowTransaction, TransactionAnswer, transactions.show_transaction),
    "intents.show": _method(ShowIntent, IntentAnswer, transactions.show_intent),
    "members.list": _method(Nothing, MemberList, state.list_members),
    "members.why": _method(AskWhy, Why, state.explain_member),
    "reach.show": _method(ShowReach, Reaching, reaching.show_reach),
    "state.list": _method(ListState, StateList, state.list_state),
    "state.get": _method(GetState, StateList, state.get_state),
    "health.get": _method(Nothing, Health, state.get_health),
}
WATCH_METHODS = ("watch.open", "watch.close")


def method(name: str) -> Method:
    """The method of that name. Raises UnknownMethod."""
    found = METHODS.get(name)
    if found is None:
        known = ", ".join([*METHODS, *WATCH_METHODS])
        raise UnknownMethod(f"there is no method {name[:80]!r}", field="method", todo=f"use one of {known}")
    return found


def decode(kind: type[P], given: object) -> P:
    """Parameters from plain values. Raises Invalid, which names the parameter."""
    if not isinstance(given, dict):
        raise Invalid("parameters were expected by name, as an object", field="params", rule="by name")
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        rule, _, place = str(error).partition(" - at `$")
        field = place.rstrip("`").removeprefix(".")
        allowed = ", ".join(kind.__struct_fields__)
        raise Invalid(
            f"{field or 'the parameters'}: {rule}", field=field, rule=rule, todo=f"the parameters are {allowed}"
        ) from None
