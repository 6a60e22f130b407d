"""The board: state that changes all the time and belongs to one owner each (DESIGN §6).

Invariant: what is held of a board is one whole delta (from 0) and the deltas that follow on it without a gap, all of one boot; so
any holder can serve the board to any peer with its owner's signatures.
"""

from collections.abc import Mapping
from functools import cached_property
from hashlib import blake2b

import msgspec
from msgspec import Struct

from mesh.crdt.replica import Reader, Table, Write
from mesh.crdt.sums import Sums, weigh
from mesh.errors import MalformedMessage
from mesh.ids import Boot, MeshId, NodeId

DOMAIN = "chaos-mesh/board/1"
DELTA_BYTES_MAX = 2 * 1024 * 1024
DELTA_MARK_BYTES = 8
CHAIN_MAX = 16  # Deltas since the last whole board; then the owner publishes a whole one again.


class Item(Struct, frozen=True, array_like=True, gc=False):
    """One topic of a board: a msgpack value, or None where the owner took it away. `at` is the owner's clock, seconds."""

    topic: str
    value: bytes | None
    at: float


class Delta(Struct, frozen=True, array_like=True, dict=True):
    """The items of a board that changed between two versions. `start` 0: the whole board."""

    domain: str
    mesh: MeshId
    owner: NodeId
    boot: Boot
    start: int
    version: int
    items: tuple[Item, ...]

    @cached_property
    def values(self) -> Mapping[str, Item]:
        """The items that have a value, by topic."""
        return {item.topic: item for item in self.items if item.value is not None}

    @cached_property
    def weight(self) -> int:
        """What a board of this version adds to the sums of a holder."""
        return weigh(_encode((self.owner, self.boot, self.version)))


class SignedDelta(Struct, frozen=True, array_like=True, dict=True):
    """A delta's bytes, and its owner's signature over them. What follows from them is worked out once."""

    body: bytes
    signature: bytes

    @cached_property
    def mark(self) -> bytes:
        """The name of a delta in messages: a hash of its signed bytes."""
        return blake2b(self.body, digest_size=DELTA_MARK_BYTES).digest()

    @cached_property
    def delta(self) -> Delta:
        """The delta in the bytes. Raises MalformedMessage."""
        if len(self.body) > DELTA_BYTES_MAX:
            raise MalformedMessage(f"a delta of at most {DELTA_BYTES_MAX} bytes was expected, {len(self.body)} came")
        try:
            return _decode_delta(self.body)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise MalformedMessage(f"a board's delta was expected: {error}") from None

    @cached_property
    def row(self) -> Write:
        """What keeps a board that is this delta alone."""
        return Write(Table.BOARDS, self.delta.owner, _encode((self,)))


class Board(Struct, frozen=True, gc=False):
    """What is held of one owner's board."""

    boot: Boot
    version: int
    items: Mapping[str, Item]
    chain: tuple[SignedDelta, ...]
    weight: int


_encode = msgspec.msgpack.Encoder().encode
_decode_delta = msgspec.msgpack.Decoder(Delta).decode
_decode_chain = msgspec.msgpack.Decoder(tuple[SignedDelta, ...]).decode


def encode_delta(delta: Delta) -> bytes:
    """The bytes that an owner signs."""
    return _encode(delta)


def read_delta(signed: SignedDelta, mesh: MeshId) -> Delta:
    """The delta in signed bytes. Raises MalformedMessage. The signature is checked by whoever knows the owner's key."""
    delta = signed.delta
    if delta.domain != DOMAIN or delta.mesh != mesh or not 0 <= delta.start < delta.version:
        raise MalformedMessage("a delta of another mesh, or one that leads nowhere, came")
    return delta


class Boards:
    """The boards of all owners, as far as they were heard of."""

    __slots__ = ("_boards", "_mesh", "_sums")

    def __init__(self, mesh: MeshId, reader: Reader) -> None:
        self._mesh = mesh
        self._boards: dict[NodeId, Board] = {}
        self._sums = Sums()
        for _, row in reader.scan(Table.BOARDS):
            self._take_up(row)

    def _take_up(self, row: bytes) -> None:
        """What an earlier life kept. A row that cannot be read is passed over: its owner's board comes again."""
        try:
            for signed in _decode_chain(row):
                self.merge(read_delta(signed, self._mesh), signed)
        except (MalformedMessage, msgspec.MsgspecError):
            return

    @property
    def digest(self) -> bytes:
        """16 bytes over {owner: (boot, version)}."""
        return self._sums.digest

    def sums(self, of: int) -> bytes:
        """The sums of {owner: (boot, version)} in `of` buckets of owners, 8 bytes each."""
        return self._sums.coarse(of)

    def owners(self) -> Mapping[NodeId, Board]:
        """What is held, by owner."""
        return self._boards

    def follows(self, delta: Delta) -> bool:
        """Whether a delta tells something new and leaves no gap."""
        board = self._boards.get(delta.owner)
        if board is None or delta.boot > board.boot:
            return delta.start == 0
        if delta.boot < board.boot or delta.version <= board.version:
            return False
        return delta.start <= board.version

    def gap(self, delta: Delta) -> bool:
        """Whether a delta is news that cannot be used, because something before it is missing."""
        board = self._boards.get(delta.owner)
        newer = board is None or (delta.boot, delta.version) > (board.boot, board.version)
        return newer and not self.follows(delta)

    def removed_by(self, delta: Delta) -> tuple[Item, ...]:
        """The items, now without a value, that a whole board takes away because it does not name their topics."""
        board = self._boards.get(delta.owner)
        if board is None or delta.start != 0 or board.items.keys() <= delta.values.keys() or not self.follows(delta):
            return ()
        gone = [item for topic, item in board.items.items() if topic not in delta.values]
        named = {item.topic for item in delta.items}
        at = max((item.at for item in delta.items), default=0.0)
        return tuple(Item(item.topic, None, max(at, item.at)) for item in gone if item.topic not in named)

    def merge(self, delta: Delta, signed: SignedDelta) -> Write | None:
        """Take over a delta whose signature holds. Returns the row that keeps it; None: it was no news."""
        if not self.follows(delta):
            return None
        before = self._boards.get(delta.owner)
        chain: tuple[SignedDelta, ...] = (signed,)
        if before is None or delta.start == 0:
            items, row = delta.values, signed.row
        else:
            changed = {**before.items, **{item.topic: item for item in delta.items}}
            items = {topic: item for topic, item in changed.items() if item.value is not None}
            chain = (*before.chain, signed)
            row = Write(Table.BOARDS, delta.owner, _encode(chain))
        self._boards[delta.owner] = Board(delta.boot, delta.version, items, chain, delta.weight)
        self._sums.add(delta.owner, delta.weight - (before.weight if before is not None else 0))
        return row

    def since(self, owner: NodeId, boot: Boot, version: int) -> list[SignedDelta]:
        """The deltas that take a holder of (boot, version) of a board to what is held here; none if it is as new."""
        board = self._boards.get(owner)
        if board is None or (boot, version) >= (board.boot, board.version):
            return []
        if boot < board.boot or version < board.chain[0].delta.version:
            return list(board.chain)
        return [signed for signed in board.chain if signed.delta.version > version]
