"""A node's own row of whom it reaches and how fast, for its board: one-way faults can be drawn and need not be guessed (DESIGN §7).

Invariant: a row differs from the one before only where somebody is reached no longer, or again, or at another order of magnitude;
so a quiet mesh stays quiet.
"""

from math import ceil, log2

from msgspec import Struct

from mesh.ids import NodeId
from mesh.messages import Standing
from mesh.peer import Peer
from mesh.runtime.sightings import owner_name

REACH_TOPIC = "reach"
REACHED_MAX = 64  # The nearest: a row of 1,000 would be a board of 20 KiB.


class Reach(Struct, frozen=True):
    """By name, within how many ms (a power of two) members answer this node, and which of those that are here do not."""

    reached: dict[str, int] = {}
    silent: list[str] = []


def reach(peer: Peer, before: Reach) -> Reach:
    """The row now, after the row `before`."""
    roster, found = peer.roster, dict[str, int]()
    silent = [node for node in roster.others() if _is_silent(peer, node)]
    measured = sorted((rtt_s, node) for node, rtt_s in peer.prober.roundtrips.rows() if roster.takes_part(node))
    for rtt_s, node in measured[:REACHED_MAX]:
        name = owner_name(peer, node)
        if node not in silent:
            found[name] = steadied(rtt_s * 1e3, before.reached.get(name))
    return Reach(dict(sorted(found.items())), sorted(owner_name(peer, node) for node in silent))


def steadied(rtt_ms: float, before: int | None) -> int:
    """The power of two within which an answer comes; the one `before` as long as that is not far off."""
    if before is not None and before / 8 < rtt_ms <= before * 2:
        return before
    return 1 << max(0, ceil(log2(max(rtt_ms, 1e-3))))


def _is_silent(peer: Peer, node: NodeId) -> bool:
    """Whether this node itself is without an answer: it accuses the member, or hears it over a stream alone."""
    member = peer.roster.get(node)
    if member is None or member.accusation is None:
        return peer.planes.failing(node) == "datagrams"
    return member.standing is Standing.SUSPECT and peer.roster.me in (
        member.accusation.accuser,
        *member.accusation.voices,
    )
