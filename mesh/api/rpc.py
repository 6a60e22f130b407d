"""JSON-RPC 2.0: what came, and what is answered. No sockets here.

Invariant: every request with an id gets exactly one response with that id, and a notification none.
"""

import msgspec
from msgspec import UNSET, Struct, UnsetType

from mesh.api.faults import Malformed, RpcError, TooLarge, rpc_error
from mesh.api.json_input import Codec
from mesh.api.shapes import WatchEvent

VERSION = "2.0"
BATCH_MAX = 100
INVALID_REQUEST = -32600

Id = str | int | float | None


class NotARequest(Malformed):
    """It is JSON, and no JSON-RPC request."""


class Request(Struct, frozen=True):
    """One call. `id` UNSET: a notification, which gets no answer. `fault`: why it is none."""

    method: str = ""
    params: object = {}
    id: Id | UnsetType = UNSET
    fault: NotARequest | None = None


class Result(Struct, frozen=True):
    """The response to a call that went well."""

    id: Id
    result: object
    jsonrpc: str = VERSION


class Failure(Struct, frozen=True):
    """The response to a call that did not."""

    id: Id
    error: RpcError
    jsonrpc: str = VERSION


class Notification(Struct, frozen=True):
    """What the server says unasked."""

    params: WatchEvent
    method: str = "watch.event"
    jsonrpc: str = VERSION


Response = Result | Failure


class Message(Struct, frozen=True):
    """What one websocket message asked for. `batch`: it was an array, and is answered by one."""

    requests: list[Request]
    batch: bool


class _Envelope(Struct, frozen=True):
    jsonrpc: str
    method: str
    params: object = {}
    id: Id | UnsetType = UNSET


def read(raw: str | bytes, codec: Codec) -> Message:
    """The requests in one message. Raises Malformed or TooLarge where the message as a whole is no such thing."""
    value = codec.decode(raw.encode() if isinstance(raw, str) else raw)
    if not isinstance(value, list):
        return Message([_request(value)], batch=False)
    if not value:
        raise NotARequest("a batch holds at least one request", rule="JSON-RPC 2.0 §6")
    if len(value) > BATCH_MAX:
        raise TooLarge(f"a batch holds at most {BATCH_MAX} requests, {len(value)} came", todo="send several messages")
    return Message([_request(item) for item in value], batch=True)


def _request(value: object) -> Request:
    try:
        envelope = msgspec.convert(value, _Envelope)
    except msgspec.ValidationError as error:
        return _broken(value, str(error))
    if envelope.jsonrpc != VERSION:
        return _broken(value, f'"jsonrpc": "{VERSION}" was expected')
    return Request(envelope.method, envelope.params, envelope.id)


def _broken(value: object, reason: str) -> Request:
    known = value.get("id") if isinstance(value, dict) else None
    fault = NotARequest(
        f"a JSON-RPC request was expected: {reason}", field="request", rule="JSON-RPC 2.0 §4", todo="see docs/api.md"
    )
    return Request(id=known if isinstance(known, str | int | float) else None, fault=fault)


def failure(request: Id | UnsetType, error: Exception) -> Failure:
    """The response that says what went wrong."""
    said = rpc_error(error)
    if isinstance(error, NotARequest):
        said = msgspec.structs.replace(said, code=INVALID_REQUEST)
    return Failure(None if request is UNSET else request, said)
