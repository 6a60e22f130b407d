"""The owner's side of a board: what changed is published at most once a second (DESIGN §6).

Invariant: the versions of one boot only grow, each delta starts at the version before it or at 0, and a new boot begins at 0.
"""

from collections.abc import Callable

import msgspec

from mesh.crdt.batch import encode_value
from mesh.crdt.board import CHAIN_MAX, DOMAIN, Delta, Item, SignedDelta, encode_delta
from mesh.ids import Boot, MeshId, NodeId

PERIOD_S = 1.0  # Operators read values; a faster board would be a fieldbus.


class Publisher:
    """Collects what this node has to say about itself and its units, and signs it once per period."""

    __slots__ = ("_boot", "_changed", "_items", "_mesh", "_next", "_owner", "_sign", "_since_whole", "_version")

    def __init__(self, mesh: MeshId, owner: NodeId, boot: Boot, sign: Callable[[bytes], bytes], now: float) -> None:
        self._mesh, self._owner, self._boot, self._sign = mesh, owner, boot, sign
        self._items: dict[str, Item] = {}
        self._changed: dict[str, Item] = {}
        self._version = 0
        self._since_whole = 0
        self._next = now

    def deadline(self) -> float:
        """When the next delta is due: never while nothing has changed."""
        return self._next if self._changed else float("inf")

    def publish(self, topic: str, value: object, now: float) -> None:
        """Set a topic; None takes it away. The value that it has already is no news: there are no renewals."""
        encoded = None if value is None else encode_value(value)
        held = self._items.get(topic)
        if (held.value if held is not None else None) == encoded:
            return
        item = Item(topic, encoded, now)
        self._changed[topic] = item
        if encoded is None:
            self._items.pop(topic, None)
        else:
            self._items[topic] = item

    def flush(self, now: float) -> tuple[Delta, SignedDelta] | None:
        """The next delta, if one is due. A whole board where that is hardly larger, or the chain has grown long."""
        if not self._changed or now < self._next:
            return None
        whole = self._since_whole >= CHAIN_MAX or self._version == 0 or 2 * len(self._changed) >= len(self._items)
        items = self._items if whole else self._changed
        start = 0 if whole else self._version
        self._version += 1
        delta = Delta(DOMAIN, self._mesh, self._owner, self._boot, start, self._version, tuple(items.values()))
        body = encode_delta(delta)
        self._changed = {}
        self._since_whole = 0 if whole else self._since_whole + 1
        self._next = now + PERIOD_S
        return delta, SignedDelta(body, self._sign(body))


def read_item(item: Item) -> object:
    """The value of an item."""
    return None if item.value is None else msgspec.msgpack.decode(item.value)
