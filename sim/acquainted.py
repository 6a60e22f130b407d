"""A mesh that has lived for long: everybody knows everybody before the first event.

Invariant: each node holds exactly what a mesh holds that has converged and is quiet, and all share one copy of it.
"""

from collections.abc import Sequence

import msgspec

from mesh.crdt.replica import MemoryReplica, Table, Write
from mesh.gossip.members import Acquaintance, Member
from mesh.gossip.roster import read_claim, weight_of
from mesh.messages import SignedClaim
from sim.node import Node
from sim.trust import CheapTrust


def acquaint(nodes: Sequence[Node]) -> Acquaintance:
    """Let nodes that were never on have each other in their books. Returns whom each shall know when it is switched on."""
    trust, book = CheapTrust("nobody"), MemoryReplica()
    members: list[Member] = []
    for signed in [node.introduction() for node in nodes]:
        members.append(_member(signed, trust))
        book.write((Write(Table.BOOK, members[-1].claim.node, msgspec.msgpack.encode(signed)),))
    for node in nodes:
        node.befriend(book)
    return Acquaintance(members)


def _member(signed: SignedClaim, trust: CheapTrust) -> Member:
    claim = read_claim(signed, trust)
    return Member(claim, signed, claim.standing, since=0.0, weight=weight_of(claim, claim.standing))
