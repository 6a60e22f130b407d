"""What was passed on lately: who holds each item, how often it came, and its bytes for whoever missed it.

Invariant: items stand in the order in which they were met, at most `ITEMS_MAX` of them with at most `BYTES_MAX` bytes, none older
than `KEPT_S` when another one is met.
"""

from hashlib import blake2b

from msgspec import Struct

from mesh.crdt.batch import Batch
from mesh.crdt.board import SignedDelta
from mesh.ids import NodeId
from mesh.messages import MARK_BYTES

KEPT_S = 6.0  # Ten times what a lost item needs to be asked for over a continent; what is older is reconcile's.
ITEMS_MAX = 16_384
BYTES_MAX = 8 * 1024 * 1024


class Item(Struct, eq=False, gc=False):
    """A batch or a board's delta. `said` is None until it is ours to give.

    `holders` are known to have it; True: they gave it to us, False: they say so.
    """

    mark: bytes
    met_at: float
    copies: int = 0
    holders: dict[NodeId, bool] = {}
    said: Batch | SignedDelta | None = None
    certificates: tuple[bytes, ...] = ()
    size: int = 0


def mark_of(said: Batch | SignedDelta) -> bytes:
    """The name of an item in messages: a hash of its signed bytes."""
    if isinstance(said, SignedDelta):
        return said.mark
    return blake2b(said.content, digest_size=MARK_BYTES).digest()


class Recent:
    """The items of the last seconds, by their marks."""

    __slots__ = ("_bytes", "_full_until", "_items")

    def __init__(self) -> None:
        self._items: dict[bytes, Item] = {}
        self._bytes = 0
        self._full_until = float("-inf")  # The oldest item is no older than KEPT_S before this.

    def get(self, mark: bytes) -> Item | None:
        """The item, if it was met lately."""
        return self._items.get(mark)

    def meet(self, mark: bytes, now: float) -> Item:
        """The item; a new one where it is not known. The oldest make room."""
        item = self._items.get(mark)
        if item is None:
            self._make_room(now)
            item = self._items[mark] = Item(mark, now)
        return item

    def keep(self, item: Item, said: Batch | SignedDelta, certificates: tuple[bytes, ...] = ()) -> None:
        """From now on the item can be given to others."""
        if item.said is not None:
            return
        body = said.content if isinstance(said, Batch) else said.body
        item.said, item.certificates = said, certificates
        item.size = len(body) + len(said.signature) + sum(map(len, certificates))
        if item.mark in self._items:
            self._bytes += item.size

    def _make_room(self, now: float) -> None:
        items = self._items
        if now < self._full_until and len(items) < ITEMS_MAX and self._bytes <= BYTES_MAX:
            return  # The oldest is not old enough.
        while items:
            oldest = next(iter(items.values()))
            if oldest.met_at >= now - KEPT_S and len(items) < ITEMS_MAX and self._bytes <= BYTES_MAX:
                self._full_until = oldest.met_at + KEPT_S
                return
            del items[oldest.mark]
            self._bytes -= oldest.size

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken."""
        assert len(self._items) <= ITEMS_MAX
        assert self._bytes == sum(item.size for item in self._items.values())
