"""Members and boards as rows: what the API, the page and the command line show.

Invariant: an age is measured by this node's own clock alone, from the moment it heard of a value.
"""

from mesh.crdt.publisher import read_item
from mesh.effects import Posted
from mesh.gossip.members import Member
from mesh.ids import NodeId, short
from mesh.messages import Standing
from mesh.peer import Peer
from mesh.runtime.rows import COPY_TOPIC, STORAGE_TOPIC, MemberRow, StateRow


def word(standing: Standing) -> str:
    """A standing as people read it."""
    return standing.name.lower()


def member_row(peer: Peer, member: Member) -> MemberRow:
    """One member as this peer sees it."""
    claim, accusation = member.claim, member.accusation
    return MemberRow(
        node=claim.node.hex(),
        name=claim.name,
        address=str(claim.address),
        api=claim.api,
        standing="ended" if claim.node in peer.ledger.durable.ends.nodes else word(member.standing),
        since=member.since,
        boot=claim.boot.count,
        me=claim.node == peer.roster.me,
        accuser=owner_name(peer, accusation.accuser) if accusation is not None else None,
        storage=_said(peer, claim.node, STORAGE_TOPIC, "status"),
        degraded=peer.planes.failing(claim.node),
        conflict=peer.roster.conflict(claim.node),
        copied=_copied(peer, claim.node),
    )


def _copied(peer: Peer, node: NodeId) -> str:
    stranger = peer.roster.lives.displaced_by
    if node == peer.roster.me and stranger is not None:
        return f"stands back for {stranger.address}"
    at = _said(peer, node, COPY_TOPIC, "at")
    return f"copy at {at}" if at else ""


def _said(peer: Peer, node: NodeId, topic: str, part: str) -> str:
    """What a member last said of itself."""
    said = item_of(peer, node, topic)
    return str(said.get(part, "")) if isinstance(said, dict) else ""


def item_of(peer: Peer, node: NodeId, topic: str) -> object:
    """What a member last said under a topic of its board; None where it has said nothing."""
    board = peer.boards.owners().get(node)
    item = board.items.get(topic) if board is not None else None
    return read_item(item) if item is not None else None


def owner_name(peer: Peer, node: NodeId) -> str:
    """What people call a node; its identity where it was never met."""
    member = peer.roster.get(node)
    return member.claim.name if member is not None else short(node)


class Sightings:
    """Remembers when this node heard of each item of each board."""

    def __init__(self, peer: Peer, now: float) -> None:
        self._peer = peer
        self._started = now
        self._heard: dict[tuple[NodeId, str], float] = {}

    def note(self, posted: Posted, now: float) -> None:
        """Items of a board came in."""
        for item in posted.items:
            self._heard[posted.owner, item.topic] = now

    def rows(self, prefix: str, now: float) -> list[StateRow]:
        """Every item of every board whose topic starts with `prefix`, by topic and owner."""
        rows = [row for owner in self._peer.boards.owners() for row in self._rows_of(owner, prefix, now)]
        return sorted(rows, key=lambda row: (row.topic, row.owner))

    def _rows_of(self, owner: NodeId, prefix: str, now: float) -> list[StateRow]:
        member = self._peer.roster.get(owner)
        standing = member.standing if member is not None else Standing.DOWN
        name = owner_name(self._peer, owner)
        return [
            StateRow(
                topic=topic,
                owner=name,
                owner_node=owner.hex(),
                reachable=standing in (Standing.ALIVE, Standing.SUSPECT),
                standing=word(standing),
                at=item.at,
                age_s=round(now - self._heard.get((owner, topic), self._started), 3),
                value=read_item(item),
            )
            for topic, item in self._peer.boards.owners()[owner].items.items()
            if topic.startswith(prefix)
        ]
