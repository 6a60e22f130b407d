"""JSON and MessagePack from clients, read with a place for every fault.

Invariant: what passes here can be written into a batch and shown as JSON again: plain values, finite numbers, 64-bit integers,
bounded depth.
"""

import re
from collections.abc import Callable
from math import isfinite

import msgspec
from msgspec import Struct

from mesh.api.faults import Malformed

BODY_BYTES_MAX = 1024 * 1024  # Sixteen times the largest batch.
DEPTH_MAX = 32  # Deeper than any configuration in the field, and far from Python's own limit.
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**64 - 1  # What MessagePack can hold.

_LONG_NUMBER = re.compile(rb"\d{19}|\d[eE]")  # Or what looks like one: then the values are looked at.
_BYTE = re.compile(r"\(byte (\d+)\)")


class Codec(Struct, frozen=True):
    """One of the two ways in which a websocket carries messages."""

    protocol: str
    decode: Callable[[bytes], object]
    encode: Callable[[object], str | bytes]


def read_json(raw: bytes) -> object:
    """The value in a JSON text. Raises Malformed, with line and column."""
    try:
        value: object = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _not_json(raw, error) from None
    except RecursionError:
        raise _too_deep() from None
    return value if _is_plain(raw) else _checked(value)


def _is_plain(raw: bytes) -> bool:
    """Whether a JSON text can be seen to be within bounds without looking at its values: short numbers, few brackets."""
    return raw.count(b"{") + raw.count(b"[") < DEPTH_MAX and not _LONG_NUMBER.search(raw)


def read_msgpack(raw: bytes) -> object:
    """The value in a MessagePack message, if JSON could say it too. Raises Malformed."""
    try:
        value: object = msgspec.msgpack.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, TypeError) as error:
        raise Malformed(f"a MessagePack value was expected: {error}", rule="MessagePack") from None
    except RecursionError:
        raise _too_deep() from None
    return _checked(value)


def _encode_json(value: object) -> str:
    return msgspec.json.encode(value).decode()


JSON = Codec("mesh.json", read_json, _encode_json)
MSGPACK = Codec("mesh.msgpack", read_msgpack, msgspec.msgpack.encode)
CODECS = {codec.protocol: codec for codec in (JSON, MSGPACK)}


def _not_json(raw: bytes, error: Exception) -> Malformed:
    found = _BYTE.search(str(error))
    offset = int(found[1]) if found else error.start if isinstance(error, UnicodeDecodeError) else len(raw)
    before = raw[:offset]
    line, column = before.count(b"\n") + 1, len(before.rpartition(b"\n")[2].decode(errors="replace")) + 1
    reason = "it ends too early" if "truncated" in str(error) else str(error).split(":")[-1].split("(byte")[0].strip()
    return Malformed(
        f"a JSON text was expected; line {line}, column {column}: {reason}",
        field=f"line {line}, column {column}",
        rule="JSON (RFC 8259)",
        todo="correct the text there",
    )


def _too_deep() -> Malformed:
    return Malformed(f"at most {DEPTH_MAX} levels of nesting were expected", rule="depth", todo="flatten the value")


def _checked(value: object) -> object:
    """`value` itself, if it is plain; level by level, so that no depth can exhaust the stack."""
    level: list[object] = [value]
    for _ in range(DEPTH_MAX):
        level = [inner for item in level for inner in _inside(item)]
        if not level:
            return value
    raise _too_deep()


def _inside(value: object) -> list[object]:
    match value:
        case dict():
            if all(isinstance(name, str) for name in value):
                return list(value.values())
            raise _not_plain("an object whose names are not text")
        case list():
            return value
        case int() if not INTEGER_MIN <= value <= INTEGER_MAX:
            raise _not_plain("an integer of more than 64 bits")
        case float() if not isfinite(value):
            raise _not_plain("a number that is not finite")
        case None | bool() | int() | float() | str():
            return []
        case _:
            raise _not_plain(f"a {type(value).__name__}")


def _not_plain(what: str) -> Malformed:
    return Malformed(
        f"values that JSON can say were expected, {what} came", rule="plain values", todo="send it as text"
    )
