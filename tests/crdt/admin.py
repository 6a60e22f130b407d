"""The admin of the mesh of tests, and the ends that it signs.

Invariant: every end is signed as the mesh's own admin signs.
"""

from mesh.crdt.ends import DOMAIN, End, SignedEnd, end_of_node, sign_end
from mesh.ids import NO_BATCH, BatchHash, NodeId, WriterId
from sim.trust import CheapTrust
from tests.crdt.site import MESH

ADMIN = CheapTrust("the admin")


def end_of(writer: WriterId, number: int = 0, behind: BatchHash = NO_BATCH, branch: bytes = b"") -> SignedEnd:
    """An end of `writer` behind its batch `number`."""
    return sign_end(End(DOMAIN, MESH, writer, number, behind, branch, "the key was stolen", "eva", 7), ADMIN.sign)


def node_end_of(node: NodeId, stamp: int = 7, reason: str = "its key was stolen") -> SignedEnd:
    """The end of a node."""
    return sign_end(end_of_node(MESH, node, (reason, "eva"), stamp), ADMIN.sign)
