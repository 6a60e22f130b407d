"""Every method of the API once: its name, its parameters, its answer. Websocket and REST both go through this table.

Invariant: a method gets decoded parameters only, and raises MeshError only.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from mesh.api import reading, state, writing
from mesh.api.faults import Invalid, UnknownMethod
from mesh.api.shapes import (
    Answer,
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
    StateList,
    SubmitParams,
    Writing,
)
from mesh.runtime.node import Node
from mesh.runtime.rows import Health, Receipt

P = TypeVar("P", bound=Params)


class Method(Struct, Generic[P], frozen=True):
    """One thing that can be asked. `answer` is the class of what `call` returns."""

    params: type[P]
    answer: type[Struct]
    call: Callable[[Node, P], Awaitable[Answer]]

    async def ask(self, node: Node, given: object, author: str) -> Answer:
        """Decode `given` and do it. `author` is the connection's, for a write that names none. Raises MeshError."""
        params = decode(self.params, given)
        if isinstance(params, Writing) and not params.author:
            params = msgspec.structs.replace(params, author=author)
        return await self.call(node, params)


METHODS: Mapping[str, Method[Params]] = {  # type: ignore[assignment]  # Each entry pairs a call with its own parameters.
    "records.get": Method(GetRecord, RecordAnswer, reading.get_record),
    "records.list": Method(ListRecords, RecordPage, reading.list_records),
    "records.put": Method(PutParams, Receipt, writing.put_record),
    "records.patch": Method(PatchParams, Receipt, writing.patch_record),
    "records.bury": Method(NameRecord, Receipt, writing.bury_record),
    "records.restore": Method(NameRecord, Receipt, writing.restore_record),
    "records.submit": Method(SubmitParams, Receipt, writing.submit),
    "members.list": Method(Nothing, MemberList, state.list_members),
    "state.list": Method(ListState, StateList, state.list_state),
    "state.get": Method(GetState, StateList, state.get_state),
    "health.get": Method(Nothing, Health, state.get_health),
}
WATCH_METHODS = ("watch.open", "watch.close")


def method(name: str) -> Method[Params]:
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
