"""The trace: one line per event and effect, and a hash over all of them.

Invariant: a line depends on the time, the node and the value alone, so one seed gives one hash in any process.
"""

from array import array
from functools import lru_cache
from hashlib import blake2b
from typing import TextIO
from zlib import crc32

import msgspec

from mesh.crdt.events import Stored
from mesh.crdt.replica import Write
from mesh.effects import Effect, Posted, Store, StoreLazily, Visible
from mesh.errors import MeshError
from mesh.events import Received, Tick
from mesh.peer import Event

WRITES_MAX = 4096  # A board's delta is written by all nodes within a second or two.
LINES_MAX = 4096  # Lines are hashed and written in blocks: one call per line costs more than the hash.


def _plain(value: object) -> object:
    if isinstance(value, MeshError):
        return f"{type(value).__name__}: {value}"
    raise NotImplementedError(f"{type(value).__name__} has no place in a trace")


_json = msgspec.json.Encoder(order="deterministic", enc_hook=_plain).encode
_pack = msgspec.msgpack.Encoder(order="deterministic", enc_hook=_plain).encode


class Trace:
    """Takes down what happens. `file` gets the lines too, where there is one.

    The hash is over the moments as 64-bit floats, and over the rest of the lines: no line is made where nobody reads it.
    """

    __slots__ = ("_file", "_moments", "_times", "_wording", "_words", "lines")

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file
        self._moments, self._wording = blake2b(digest_size=16), blake2b(digest_size=16)
        self._times: list[float] = []
        self._words: list[str] = []
        self.lines = 0

    def note(self, now: float, name: str, text: str) -> None:
        """Add one line about the node `name`."""
        self._words.append(name)
        self._words.append(text)
        self._times.append(now)
        if len(self._times) >= LINES_MAX:
            self._flush()

    def digest(self) -> str:
        """The hash of all lines so far, as 32 hexadecimal digits."""
        self._flush()
        return blake2b(self._moments.digest() + self._wording.digest(), digest_size=16).hexdigest()

    def _flush(self) -> None:
        times, words = self._times, self._words
        self.lines += len(times)
        self._moments.update(array("d", times).tobytes())
        self._wording.update("\n".join([*words, ""]).encode())
        if self._file is not None:
            told = zip(times, words[::2], words[1::2], strict=True)
            self._file.write("".join([f"{round(now * 1e9)} {name} {text}\n" for now, name, text in told]))
        times.clear()
        words.clear()


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
        case StoreLazily(writes):
            return f"> StoreLazily {' '.join(map(_describe_write, writes))}"
        case Posted(owner, items):
            return f"> Posted {owner[:8].hex()} {len(items)}"
        case Store(ticket, writes):
            return f"> Store {ticket} {_digest(list(writes))}"
        case Visible():  # Too long to read.
            return f"> Visible {_digest(effect)}"
        case _:
            return f"> {type(effect).__name__} {_json(effect).decode()}"


@lru_cache(WRITES_MAX)
def _describe_write(write: Write) -> str:
    return f"{write.table} {write.key[:8].hex()} {crc32(write.value or b''):08x}"


def _digest(value: object) -> str:
    return blake2b(_pack(value), digest_size=8).hexdigest()
