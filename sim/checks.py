"""What must be true of a simulated mesh: of each peer at any time, and of all of them once it is quiet.

Invariant: every sentence returned here names a broken promise; nothing is forgiven that the journal does not excuse.
"""

from collections.abc import Sequence
from hashlib import blake2b

import msgspec
from msgspec import Struct

from mesh.crdt.batch import decode_batch, hash_content
from mesh.crdt.branches import holds
from mesh.crdt.fingerprint import read_fingerprint
from mesh.crdt.refold import VOID
from mesh.crdt.replica import MemoryReplica, Table
from mesh.peer import Peer
from sim.journal import Journal
from sim.node import MESH, Node
from sim.refold import misfolded

NAMES_MAX = 5  # More names in one complaint are not read.
_encode = msgspec.msgpack.Encoder(order="deterministic").encode


class Inspector:
    """Has a peer check itself after every `every`-th event of the mesh."""

    __slots__ = ("_every", "_left")

    def __init__(self, every: int) -> None:
        self._every = self._left = every

    def __call__(self, peer: Peer) -> None:
        """An event of `peer` is over."""
        self._left -= 1
        if self._left == 0:
            self._left = self._every
            peer.check()


def differences(nodes: Sequence[Node]) -> list[str]:
    """How the nodes that are up disagree. Empty: they have converged."""
    peers = {node.name: node.peer for node in nodes if node.peer is not None}
    views = {
        "ledger digests": {name: peer.ledger.durable.digest.hex() for name, peer in peers.items()},
        "fingerprints": {node.name: read_fingerprint(node.disk.replica) for node in nodes if node.up},
        "roster digests": {name: peer.roster.digest.hex() for name, peer in peers.items()},
        "board digests": {name: peer.boards.digest.hex() for name, peer in peers.items()},
    }
    found = [f"{what} differ: {said}" for what, view in views.items() if (said := _tell_groups(view))]
    return [*found, *_wrong_rosters(nodes)]


def _tell_groups(view: dict[str, str]) -> str:
    groups: dict[str, list[str]] = {}
    for name, value in view.items():
        groups.setdefault(value, []).append(name)
    if len(groups) <= 1:
        return ""
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    return "; ".join(f"{value[:8]} at {_names(names)}" for value, names in ordered[:NAMES_MAX])


def _wrong_rosters(nodes: Sequence[Node]) -> list[str]:
    found: list[str] = []
    right: set[bytes] = set()  # Rosters with equal digests hold the same members alive.
    for node in nodes:
        if node.peer is None or node.peer.roster.digest in right:
            continue
        present = {member.claim.name for member in node.peer.roster.members() if member.reachable}
        missed = [other.name for other in nodes if other.up and other.name not in present]
        ghosts = [other.name for other in nodes if not other.up and other.name in present]
        if missed:
            found.append(f"{node.name} does not hold alive what is: {_names(missed)}")
        if ghosts:
            found.append(f"{node.name} holds alive what is not: {_names(ghosts)}")
        if not missed and not ghosts:
            right.add(node.peer.roster.digest)
    return [*found[:NAMES_MAX], *([f"and {len(found) - NAMES_MAX} more rosters"] if len(found) > NAMES_MAX else [])]


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else ""
    return ", ".join(names[:NAMES_MAX]) + more


def deep_differences(nodes: Sequence[Node], journal: Journal) -> list[str]:
    """What digests could hide, of nodes that have converged: rows that differ, and cells that their log does not give."""
    up = [node for node in nodes if node.up]
    views = {node.name: _digest_of(node.disk.replica, Table.CELLS) for node in up}
    voids = {node.name: _voids_of(node.disk.replica) for node in up}
    held = {"views": views, "void batches": voids, "boards": {node.name: _boards_of(node) for node in up}}
    found = [
        f"{what} differ under equal digests: {said}" for what, view in held.items() if (said := _tell_groups(view))
    ]
    for node in {views[node.name]: node for node in reversed(up)}.values():  # One of each view.
        found += [f"{node.name}: {said}" for said in misfolded(node.disk.replica, MESH)[:NAMES_MAX]]
    for node in up:
        found += [f"{node.name}: {said}" for said in journal.graves.risen(node.index, node.disk.replica)[:NAMES_MAX]]
    return found


def _digest_of(replica: MemoryReplica, table: Table) -> str:
    digest = blake2b(digest_size=16)
    for key, row in replica.scan(table):
        digest.update(len(key).to_bytes(2, "big") + key + len(row).to_bytes(4, "big") + row)
    return digest.hexdigest()


def _voids_of(replica: MemoryReplica) -> str:
    """Which batches are void, whatever lines they are in: a fate follows from the batches, so it is the same everywhere."""
    keys = [key for key, fate in replica.scan(Table.FATES) if fate.startswith(VOID)]
    hashes = sorted(hash_content(decode_batch(row).content) for key in keys if (row := replica.get(Table.BATCHES, key)))
    return blake2b(b"".join(hashes), digest_size=16).hexdigest()


def _boards_of(node: Node) -> str:
    assert node.peer is not None
    boards = sorted(
        (owner, board.boot, board.version, board.items) for owner, board in node.peer.boards.owners().items()
    )
    return blake2b(_encode(boards), digest_size=16).hexdigest()


class Fates(Struct):
    """What became of the acknowledged writes.

    `unreplicated`: all its holders have lost their disks since, before anybody else had it. `stranded`: all its holders are
    down. `broken` are sentences about promises that were not kept.
    """

    unreplicated: int = 0
    stranded: int = 0
    broken: list[str] = []


def fates_of(nodes: Sequence[Node], journal: Journal) -> Fates:
    """Look for every acknowledged write on every disk."""
    fates = Fates()
    for request, (entry, head) in enumerate(journal.acknowledged()):
        holders = journal.holders(head)
        have = [node for node in nodes if holds(node.disk.replica, head)]
        forgot = [node.name for node in nodes if holders >> node.index & 1 and node not in have]
        lack = [node.name for node in nodes if node.up and node not in have]
        title = f"write {request} (acknowledged by {nodes[entry.index].name} at {entry.acknowledged_at:.3f} s)"
        if forgot:
            fates.broken.append(f"{title} was durable and is gone, without a lost disk, at {_names(forgot)}")
        elif not have:
            fates.unreplicated += 1
        elif not any(node.up for node in have):
            fates.stranded += 1
        elif lack:
            fates.broken.append(f"{title} is missing at {_names(lack)}")
    return fates
