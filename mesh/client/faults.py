"""What a client can meet besides the peer's own answers, and those answers as exceptions.

Invariant: every exception says whether something may have been changed; the peer's kinds keep their class here.
"""

from collections.abc import Mapping

from msgspec import Struct

from mesh.errors import MeshError, NotFound, Refused, StorageError, Unmet, UsageError


class CannotConnect(MeshError):
    """No peer answered. Nothing was changed."""


class OutcomeUnknown(MeshError):
    """The connection was lost after a write was sent. Whether it was stored is not known: read before writing again."""


class Behind(MeshError):
    """The peer has not applied everything that the token names. Nothing was changed."""


class PeerFailed(MeshError):
    """The peer made a mistake, or speaks another language."""


class FaultData(Struct, frozen=True):
    """The `data` of an error, as far as this client knows it."""

    kind: str = ""
    field: str = ""
    rule: str = ""
    todo: str = ""
    changed: bool | None = False
    details: dict[str, object] = {}


class Fault(Struct, frozen=True):
    """The error object of a JSON-RPC response."""

    code: int
    message: str
    data: FaultData = FaultData()


_USAGE: Mapping[str, type[UsageError]] = {"not_found": NotFound, "buried": NotFound, "refused": Refused}
_OTHER: Mapping[str, type[MeshError]] = {"behind": Behind, "storage": StorageError, "internal": PeerFailed}


def exception_of(fault: Fault) -> MeshError:
    """The exception that says what the peer said."""
    data = fault.data
    other = _OTHER.get(data.kind)
    if other is not None:
        return other(fault.message + (f"; {data.todo}" if data.todo else ""))
    if data.kind == "unmet":
        return Unmet(fault.message, field=data.field, rule=data.rule, todo=data.todo, details=data.details)
    usage = _USAGE.get(data.kind, UsageError)
    return usage(fault.message, field=data.field, rule=data.rule, todo=data.todo)
