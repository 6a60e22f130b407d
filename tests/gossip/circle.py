"""A circle of nodes who know each other's names: claims, accusations and rosters, made by hand.

Invariant: everything is a function of names and numbers.
"""

from random import Random

import msgspec

from mesh.config import GossipConfig
from mesh.gossip.roster import Roster
from mesh.ids import Address, Boot, NodeId
from mesh.messages import Accusation, Claim, SignedClaim, Standing
from mesh.security.trust import fingerprint
from sim.trust import CheapTrust

CONFIG = GossipConfig()
NAMES = ("ada", "bob", "cyd", "dan", "eve")


def key_of(name: str) -> bytes:
    """The public key of a node."""
    return b"key of " + name.encode()


def node(name: str) -> NodeId:
    """The identity of a node."""
    return fingerprint(key_of(name))


def address(name: str) -> Address:
    """Where a node listens."""
    return Address(f"{name}.example", 7000)


def claim(name: str, counter: int = 0, boot: int = 1, standing: Standing = Standing.ALIVE) -> Claim:
    """What a node says of itself."""
    return Claim(node(name), name, key_of(name), address(name), "", Boot(boot, 7), counter, standing)


def sign(said: Claim, by: str = "") -> SignedClaim:
    """A claim, signed by its own node or by another one."""
    body = msgspec.msgpack.encode(said)
    return SignedClaim(body, CheapTrust(by or said.name).sign(body))


def signed(name: str, counter: int = 0, boot: int = 1, standing: Standing = Standing.ALIVE) -> SignedClaim:
    """A node's own signed claim."""
    return sign(claim(name, counter, boot, standing))


def accusation(
    name: str, counter: int = 0, boot: int = 1, standing: Standing = Standing.DOWN, accuser: str = "eve"
) -> Accusation:
    """What somebody says of a node."""
    return Accusation(node(name), Boot(boot, 7), counter, standing, node(accuser))


def roster(me: str, *others: str) -> Roster:
    """The roster of a node that has heard the first claims of others."""
    made = Roster(claim(me), CheapTrust(me), 0.0)
    for name in others:
        made.hear(signed(name), 0.0)
    return made


def rng(seed: int = 1) -> Random:
    """Chance that is the same each time."""
    return Random(seed)
