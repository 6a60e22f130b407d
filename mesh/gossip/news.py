"""News on its way: each piece is sent a bounded number of times, the least sent first (SWIM §4.1).

Invariant: at most one piece about each member is queued, the newest.
"""

import math

from mesh.ids import NodeId
from mesh.messages import Accusation, Newsflash

PIGGYBACK_BYTES = 850  # Leaves room for the probe itself and the seal in a datagram of 1,200 bytes.
CLAIM_BYTES = 330  # A signed claim with a P-256 key, a name and a URL.
ACCUSATION_BYTES = 60


class NewsQueue:
    """What this member still has to tell."""

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._entries: dict[NodeId, tuple[int, Newsflash]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, node: NodeId, news: Newsflash) -> None:
        """Queue news about `node`. What was queued about it before is out of date."""
        self._entries.pop(node, None)
        self._entries[node] = (0, news)

    def take(self, members: int) -> tuple[Newsflash, ...]:
        """The pieces for one datagram in a mesh of `members`. Pieces that were sent often enough are forgotten."""
        limit = math.ceil(self._factor * math.ceil(math.log10(members + 1)))
        room, taken = PIGGYBACK_BYTES, []
        for key, (sent, news) in sorted(self._entries.items(), key=lambda entry: entry[1][0]):
            size = ACCUSATION_BYTES if isinstance(news, Accusation) else CLAIM_BYTES
            if size > room:
                continue
            room -= size
            taken.append(news)
            if sent + 1 >= limit:
                del self._entries[key]
            else:
                self._entries[key] = (sent + 1, news)
        return tuple(taken)
