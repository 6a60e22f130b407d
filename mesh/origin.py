"""The origin of a peer: who it is and what it stands on.

Invariant: nothing in it changes while the peer lives; what it stands on is written by whoever carries out effects.
"""

from msgspec import Struct

from mesh.config import Config
from mesh.crdt.replica import Replica
from mesh.gossip.members import NOBODY, Acquaintance
from mesh.ids import Address, Boot, MeshId
from mesh.messages import Claim, Standing
from mesh.security.trust import Trust


class Origin(Struct, frozen=True):
    """Who a peer is and what it stands on. `ledger` and `soft` are read here and written by whoever carries out effects."""

    mesh: MeshId
    certificate: bytes
    trust: Trust
    address: Address
    api: str
    boot: Boot
    ledger: Replica
    soft: Replica
    seeds: tuple[Address, ...] = ()
    config: Config = Config()
    acquaintance: Acquaintance = NOBODY  # Members that are known from the beginning, without having been met.
    read_only: bool = False  # The ledger's disk takes no writes: what comes in is not merged, what is here is served.


def claim_of(origin: Origin) -> Claim:
    """What a peer first says of itself."""
    own = origin.trust.read_certificate(origin.certificate)
    return Claim(own.node, own.name, own.key, origin.address, origin.api, origin.boot, 0, Standing.ALIVE)
