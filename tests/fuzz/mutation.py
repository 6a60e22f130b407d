"""Bytes that are nearly right: msgpack or JSON changed in its structure, in single bytes, or in both.

Invariant: the same random source gives the same bytes.
"""

from random import Random

import msgspec

ODD = (
    *(None, True, 0, 1, -1, 2**31, 2**63 - 1, 2**63, 2**64 - 1, -(2**63), 0.0, float("inf"), float("nan")),
    *("", "\0", "x" * 300, b"", b"\0" * 16, b"\xff" * 32, [], [[]], {}, {"": ""}),
)
STRUCTURAL_OF_TEN = 7
TEXTS = (b"{", b"[")  # How JSON begins where it is more than one number; no message of ours does.


def mutated(rng: Random, raw: bytes) -> bytes:
    """`raw` with one to four changes; a byte before the msgpack (a version) is kept."""
    head, body = _split(raw)
    for _ in range(rng.randint(1, 4)):
        change = _changed_structure if rng.randrange(10) < STRUCTURAL_OF_TEN else _changed_bytes
        body = change(rng, body)
    return head + body


def _split(raw: bytes) -> tuple[bytes, bytes]:
    if raw[:1] in TEXTS:
        return b"", raw
    try:
        msgspec.msgpack.decode(raw)
    except (msgspec.MsgspecError, UnicodeError):
        return raw[:1], raw[1:]
    return b"", raw


def _changed_structure(rng: Random, body: bytes) -> bytes:
    form = msgspec.json if body[:1] in TEXTS else msgspec.msgpack
    try:
        return form.encode(_changed(rng, form.decode(body)))
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError, TypeError, ValueError):
        return body  # The bytes were changed before, and are no msgpack any more.


def _changed(rng: Random, value: object) -> object:
    if isinstance(value, list) and value and rng.randrange(8):
        at = rng.randrange(len(value))
        match rng.randrange(12):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return [*value[:at], value[at], *value[at:]]
            case _:
                return [*value[:at], _changed(rng, value[at]), *value[at + 1 :]]
    if isinstance(value, dict) and value and rng.randrange(8):
        return _changed_object(rng, value)
    if isinstance(value, bytes) and value and rng.randrange(4):  # Often msgpack again.
        return _changed_structure(rng, value) if rng.randrange(2) else _changed_bytes(rng, value)
    if isinstance(value, int) and rng.randrange(2):
        return value + rng.choice((-1, 1))
    return rng.choice(ODD)


def _changed_object(rng: Random, value: dict[object, object]) -> object:
    name = rng.choice(list(value))
    match rng.randrange(12):
        case 0:
            return {key: item for key, item in value.items() if key != name}
        case 1:
            return {**value, f"{name}x": value[name]}
        case _:
            return {**value, name: _changed(rng, value[name])}


def _changed_bytes(rng: Random, body: bytes) -> bytes:
    at = rng.randrange(len(body) + 1)
    match rng.randrange(4):
        case 0:
            return body[:at]
        case 1:
            return body[:at] + rng.randbytes(rng.randint(1, 8)) + body[at:]
        case _:
            return body[:at] + rng.randbytes(1) + body[at + 1 :]
