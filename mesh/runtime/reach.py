"""A node's own row of whom it reaches and how fast, for its board: one-way faults can be drawn and need not be guessed (DESIGN §7).

Invariant: a row differs from the one before only where somebody is reached no longer, or again, or in another way, or at another
order of magnitude; so a quiet mesh stays quiet.
"""

from math import ceil, log2

from msgspec import Struct

from mesh.gossip.planes import DATAGRAMS, STREAMS
from mesh.ids import NodeId
from mesh.messages import Standing
from mesh.peer import Peer
from mesh.runtime.sightings import owner_name

REACH_TOPIC = "reach"
REACHED_MAX = 64  # The nearest: a row of 1,000 would be a board of 20 KiB.
SILENT_MAX = 64  # A node that hears nobody of a large mesh says enough with these.


class Reach(Struct, frozen=True):
    """By name: within how many ms (a power of two) members answer this node, and which of those that are here do not.

    `heard`: those of the silent ones whose own probes arrive all the same. `unstreamed`: who answers, and to whom no stream opens.
    """

    reached: dict[str, int] = {}
    silent: list[str] = []
    heard: list[str] = []
    unstreamed: list[str] = []


def reach(peer: Peer, before: Reach) -> Reach:
    """The row now, after the row `before`."""
    roster, earshot, found = peer.roster, peer.prober.earshot, dict[str, int]()
    silent = [node for node in roster.others() if is_silent(peer, node)][:SILENT_MAX]
    unstreamed = [node for node in roster.others() if peer.planes.failing(node) == STREAMS]
    measured = sorted((rtt_s, node) for node, rtt_s in peer.prober.roundtrips.rows() if roster.takes_part(node))
    for rtt_s, node in measured[:REACHED_MAX]:
        name = owner_name(peer, node)
        if node not in silent:
            found[name] = steadied(rtt_s * 1e3, before.reached.get(name))
    heard = [node for node in silent if earshot.hears(node)]
    lists = (sorted(owner_name(peer, node) for node in nodes) for nodes in (silent, heard, unstreamed[:SILENT_MAX]))
    return Reach(dict(sorted(found.items())), *lists)


def steadied(rtt_ms: float, before: int | None) -> int:
    """The power of two within which an answer comes; the one `before` as long as that is not far off."""
    if before is not None and before / 8 < rtt_ms <= before * 2:
        return before
    return 1 << max(0, ceil(log2(max(rtt_ms, 1e-3))))


def is_silent(peer: Peer, node: NodeId) -> bool:
    """Whether a member that is here leaves this node itself without an answer: it is accused by this node, or heard over a stream
    alone, or by helpers alone.
    """
    member = peer.roster.get(node)
    if member is None or member.accusation is None:
        return peer.planes.failing(node) == DATAGRAMS or peer.prober.earshot.out_of(node)
    return member.standing is Standing.SUSPECT and peer.roster.me in (
        member.accusation.accuser,
        *member.accusation.voices,
    )
