"""What a client hears when something is wrong: one shape, as JSON-RPC error and as RFC 9457 problem.

Invariant: no traceback and no name of an exception class reaches a client; `changed` is false unless nobody can know.
"""

from collections.abc import Mapping

from msgspec import Struct

from mesh.errors import MeshError, NotFound, Refused, StorageError, Unmet, UsageError

PROBLEM_TYPE = "application/problem+json"  # RFC 9457 §3


class Malformed(UsageError):
    """The request cannot be read: no JSON, no JSON-RPC, a parameter of another kind."""


class Invalid(UsageError):
    """The request can be read, and its parameters are not those of the method."""


class UnknownMethod(UsageError):
    """There is no such method."""


class Buried(NotFound):
    """The record was buried; `restore` shows it again."""


class Behind(MeshError):
    """This peer has not applied everything that the token names. Nothing was changed."""


class TooLarge(UsageError):
    """More was sent than one request may carry."""


class Forbidden(UsageError):
    """It may not be asked from there."""


class Busy(MeshError):
    """A limit of this connection or of this peer is reached. Nothing was changed."""


class FaultData(Struct, frozen=True):
    """The `data` of a JSON-RPC error. `changed` null: it is not known whether the write was stored."""

    kind: str
    field: str = ""
    rule: str = ""
    todo: str = ""
    changed: bool | None = False
    details: dict[str, object] = {}


class RpcError(Struct, frozen=True):
    """The error object of JSON-RPC 2.0 (§5.1)."""

    code: int
    message: str
    data: FaultData


class Problem(Struct, frozen=True):
    """Problem details (RFC 9457) with the mesh's own members."""

    type: str
    title: str
    status: int
    detail: str
    kind: str
    field: str = ""
    rule: str = ""
    todo: str = ""
    changed: bool | None = False
    details: dict[str, object] = {}


class _Kind(Struct, frozen=True):
    name: str
    code: int
    status: int
    title: str


_INTERNAL = _Kind("internal", -32603, 500, "This peer made a mistake")
# The first entry whose class fits names an error. The codes from -32099 to -32000 are ours to give (JSON-RPC 2.0 §5.1).
_KINDS: Mapping[type[MeshError], _Kind] = {
    Malformed: _Kind("malformed", -32700, 400, "The request cannot be read"),
    UnknownMethod: _Kind("unknown_method", -32601, 404, "There is no such method"),
    Invalid: _Kind("invalid", -32602, 400, "The parameters are not those of the method"),
    TooLarge: _Kind("too_large", -32007, 413, "The request is too large"),
    Forbidden: _Kind("forbidden", -32009, 403, "It may not be asked from there"),
    Buried: _Kind("buried", -32002, 404, "The record is buried"),
    NotFound: _Kind("not_found", -32001, 404, "There is no such thing here"),
    Unmet: _Kind("unmet", -32010, 412, "What was expected is not there"),
    Refused: _Kind("refused", -32003, 409, "It is not allowed in this state"),
    UsageError: _Kind("usage", -32004, 422, "A rule was broken"),
    Behind: _Kind("behind", -32005, 503, "This peer is behind the token"),
    StorageError: _Kind("storage", -32006, 503, "The disk of this peer failed"),
    Busy: _Kind("busy", -32008, 429, "A limit is reached"),
}
_SORRY = "this peer failed while it worked on the request; whether a write was stored is not known"


def rpc_error(error: Exception) -> RpcError:
    """`error` as JSON-RPC says it. What is no MeshError is named a mistake of ours, and nothing of it is shown."""
    kind = _kind(error)
    return RpcError(kind.code, _message(error), _data(error, kind))


def problem(error: Exception) -> Problem:
    """`error` as HTTP says it."""
    kind, data = _kind(error), _data(error, _kind(error))
    return Problem(
        type=f"urn:chaos-mesh:{kind.name.replace('_', '-')}",
        title=kind.title,
        status=kind.status,
        detail=_message(error),
        kind=kind.name,
        field=data.field,
        rule=data.rule,
        todo=data.todo,
        changed=data.changed,
        details=data.details,
    )


def kind_of(error: Exception) -> str:
    """The one word for `error`, as metrics count it."""
    return _kind(error).name


def _kind(error: Exception) -> _Kind:
    return next((kind for cls, kind in _KINDS.items() if isinstance(error, cls)), _INTERNAL)


def _message(error: Exception) -> str:
    return str(error) if isinstance(error, MeshError) else _SORRY


def _data(error: Exception, kind: _Kind) -> FaultData:
    match error:
        case Unmet():
            return FaultData(kind.name, error.field, error.rule, error.todo, details=error.details)
        case UsageError():
            return FaultData(kind.name, error.field, error.rule, error.todo)
        case Behind():
            return FaultData(kind.name, "after", todo="wait longer, leave the token out, or ask another peer")
        case Busy():
            return FaultData(kind.name, todo="wait for answers that are under way, or close watches, and try again")
        case StorageError():
            return FaultData(kind.name, todo="ask another peer, and look after the disk of this one", changed=None)
        case _:
            return FaultData(kind.name, todo="read the record before you try again", changed=None)
