"""The trace: one line per event and effect, and a hash over all of them.

Invariant: a line depends on the time, the node and the value alone, so one seed gives one hash in any process.
"""

from hashlib import blake2b
from typing import TextIO

import msgspec

from mesh.crdt.events import Stored
from mesh.effects import Effect, Posted, Store, StoreLazily, Visible
from mesh.errors import MeshError
from mesh.events import Received, Tick
from mesh.peer import Event

LINES_MAX = 4096  # Lines are hashed and written in blocks: one call per line costs more than the hash.


def _plain(value: object) -> object:
    if isinstance(value, MeshError):
        return f"{type(value).__name__}: {value}"
    raise NotImplementedError(f"{type(value).__name__} has no place in a trace")


_json = msgspec.json.Encoder(order="deterministic", enc_hook=_plain).encode
_pack = msgspec.msgpack.Encoder(order="deterministic", enc_hook=_plain).encode


class Trace:
    """Takes down what happens. `file` gets the lines too, where there is one."""

    __slots__ = ("_file", "_hash", "_lines", "lines")

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file
        self._hash = blake2b(digest_size=16)
        self._lines: list[str] = []
        self.lines = 0

    def note(self, now: float, name: str, text: str) -> None:
        """Add one line about the node `name`."""
        self._lines.append(f"{round(now * 1e9)} {name} {text}\n")
        if len(self._lines) >= LINES_MAX:
            self._flush()

    def digest(self) -> str:
        """The hash of all lines so far, as 32 hexadecimal digits."""
        self._flush()
        return self._hash.hexdigest()

    def _flush(self) -> None:
        block = "".join(self._lines)
        self.lines += len(self._lines)
        self._lines.clear()
        self._hash.update(block.encode())
        if self._file is not None:
            self._file.write(block)


def describe_event(event: Event) -> str:
    """An event as part of a line; a received message is described by its parcel."""
    match event:
        case Tick():
            return "< Tick"
        case Stored(ticket):
            return f"< Stored {ticket}"
        case Received():
            return f"< Received {_digest(event)}"
        case _:
            return f"< {type(event).__name__} {_json(event).decode()}"


def describe_effect(effect: Effect) -> str:
    """An effect as part of a line; a sent message is described by its parcel."""
    match effect:
        case Store(ticket, writes):
            return f"> Store {ticket} {_digest(list(writes))}"
        case StoreLazily() | Visible() | Posted():  # Too long to read.
            return f"> {type(effect).__name__} {_digest(effect)}"
        case _:
            return f"> {type(effect).__name__} {_json(effect).decode()}"


def _digest(value: object) -> str:
    return blake2b(_pack(value), digest_size=8).hexdigest()
