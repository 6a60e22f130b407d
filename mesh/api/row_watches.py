"""Watching state and members: always a snapshot first, then each row that changed.

Invariant: a row is told as this node sees it at that moment; when a member's standing changes, so do the rows that it owns.
"""

from mesh.api.shapes import EventType, OpenWatch, WatchEvent
from mesh.api.state import UNIT_TOPIC, views
from mesh.api.watching import Tell, Watch
from mesh.crdt.board import Item
from mesh.crdt.publisher import read_item
from mesh.effects import Emit, Posted, Visible
from mesh.ids import NodeId
from mesh.runtime.node import Node
from mesh.runtime.rows import COPY_TOPIC, STORAGE_TOPIC, StateRow

MEMBER_EVENTS = "member."
ASKED_MAX = 8  # Topics looked up one by one; for more the whole prefix is read.
REACHABLE = ("alive", "suspect")  # A suspect takes part until the suspicion is confirmed.
WANTED_FIELDS = ("desired", "")  # Fields of a unit that say whether it is enabled; "" is the record itself.


class StateWatch(Watch):
    """A watch of the board items whose topic starts with a prefix."""

    def __init__(self, number: int, node: Node, tell: Tell, params: OpenWatch) -> None:
        super().__init__(number, node, tell)
        self._prefix = params.prefix
        self._told: dict[str, set[str]] = {}  # Owner -> topics that the watcher holds.

    async def begin(self) -> None:
        await self._tell_rows("SNAPSHOT", self.node.state(self._prefix))
        await self.tell(WatchEvent(self.number, "SYNC"))

    async def on(self, announcement: Visible | Posted | Emit) -> None:
        match announcement:
            case Posted():
                await self._on_posted(announcement)
            case Visible():
                topics = [topic for topic in _wanted_topics(announcement) if topic.startswith(self._prefix)]
                rows = [row for topic in topics for row in self.node.state(topic) if row.topic == topic]
                await self._tell_rows("UPDATE", rows)
            case Emit(name, about) if name.startswith(MEMBER_EVENTS):
                owner = about.get("node")
                await self._tell_rows("UPDATE", [r for r in self.node.state(self._prefix) if r.owner_node == owner])
            case Emit():
                return

    async def _on_posted(self, posted: Posted) -> None:
        items = [item for item in posted.items if item.topic.startswith(self._prefix)]
        for topic in self._gone(posted):
            self._told[posted.owner.hex()].discard(topic)
            await self.tell(WatchEvent(self.number, "REMOVE", topic, owner=posted.owner.hex()))
        standing = self._standing(posted.owner)
        rows = [self._row(posted.owner, standing, item) for item in items if item.value is not None]
        await self._tell_rows("UPDATE", rows)

    def _gone(self, posted: Posted) -> list[str]:
        """Topics that the owner has taken away. A whole board does not name them: they are just not there any more."""
        owner = posted.owner.hex()
        there = {item.topic for item in posted.items if item.value is not None}
        missing = sorted(self._told.get(owner, set()) - there)
        asked = missing if len(missing) <= ASKED_MAX else [self._prefix] if missing else []
        held = {row.topic for topic in asked for row in self.node.state(topic) if row.owner_node == owner}
        return [topic for topic in missing if topic not in held]

    def _standing(self, owner: NodeId) -> str:
        return next((row.standing for row in self.node.members() if row.node == owner.hex()), "down")

    def _row(self, owner: NodeId, standing: str, item: Item) -> StateRow:
        """The row of an item that came in just now: cheaper than asking the node for all rows of the board."""
        return StateRow(
            topic=item.topic,
            owner=self.node.owner_name(owner),
            owner_node=owner.hex(),
            reachable=standing in REACHABLE,
            standing=standing,
            at=item.at,
            age_s=0.0,
            value=read_item(item),
        )

    async def _tell_rows(self, kind: EventType, rows: list[StateRow]) -> None:
        with self.node.read() as reader:
            shown = views(reader, rows) if rows else []
        for view in shown:
            self._told.setdefault(view.owner_node, set()).add(view.topic)
            await self.tell(WatchEvent(self.number, kind, view.topic, view, owner=view.owner_node))


class MemberWatch(Watch):
    """A watch of the roster."""

    def __init__(self, number: int, node: Node, tell: Tell) -> None:
        super().__init__(number, node, tell)
        self._known: set[str] = set()

    async def begin(self) -> None:
        for row in self.node.members():
            self._known.add(row.node)
            await self.tell(WatchEvent(self.number, "SNAPSHOT", row.node, row))
        await self.tell(WatchEvent(self.number, "SYNC"))

    async def on(self, announcement: Visible | Posted | Emit) -> None:
        if isinstance(announcement, Posted):
            await self._on_posted(announcement)
        if not isinstance(announcement, Emit) or not announcement.name.startswith(MEMBER_EVENTS):
            return
        for row in self.node.members():
            if row.node == announcement.about.get("node"):
                kind: EventType = "UPDATE" if row.node in self._known else "CREATE"
                self._known.add(row.node)
                reason = str(announcement.about.get("reason", ""))
                said = f"{announcement.name}: {reason}" if reason else announcement.name
                await self.tell(WatchEvent(self.number, kind, row.node, row, author=row.accuser or "", reason=said))

    async def _on_posted(self, posted: Posted) -> None:
        """A member said something new of its disk."""
        said = [item.topic for item in posted.items if item.topic in (STORAGE_TOPIC, COPY_TOPIC)]
        rows = [row for row in self.node.members() if said and row.node == posted.owner.hex()]
        for row in rows:
            await self.tell(WatchEvent(self.number, "UPDATE", row.node, row, reason=f"it posted: {', '.join(said)}"))


def _wanted_topics(visible: Visible) -> dict[str, None]:
    """Topics of units of which these batches changed whether they are wanted."""
    changes = (change for opened in visible.batches for change in opened.content.changes)
    return {
        UNIT_TOPIC + change.record.key: None
        for change in changes
        if change.record.collection == "unit" and change.field in WANTED_FIELDS
    }
