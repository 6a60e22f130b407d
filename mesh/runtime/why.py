"""Why a member stands as it does: the evidence that this node holds, for people (DESIGN §7).

Invariant: everything shown was noticed by this node itself; nothing is concluded here.
"""

from mesh.ids import short
from mesh.peer import Peer
from mesh.runtime.reach import is_silent
from mesh.runtime.rows import EvidenceRow, Why
from mesh.runtime.sightings import member_row, owner_name


def explain(peer: Peer, wanted: str) -> Why | None:
    """What is known of the member with that name or that beginning of its identity; None where there is no such one, or several."""
    named = [member for member in peer.roster.members() if member.claim.name == wanted]
    by_id = [
        m
        for m in peer.roster.members()
        if len(wanted) >= len(short(m.claim.node)) and m.claim.node.hex().startswith(wanted)
    ]
    found = named or by_id
    if len(found) != 1:
        return None
    node = found[0].claim.node
    rtt_s = peer.prober.roundtrips.smoothed_s(node)
    items = [
        EvidenceRow(entry.at, entry.said, [owner_name(peer, other) for other in entry.others], entry.until, entry.times)
        for entry in peer.prober.evidence.about(node)
    ]
    rtt_ms = round(rtt_s * 1000, 3) if rtt_s is not None else None
    earshot = peer.prober.earshot
    direct = (is_silent(peer, node), earshot.hears(node))
    return Why(member_row(peer, found[0]), rtt_ms, peer.prober.health.score, items, *direct)
