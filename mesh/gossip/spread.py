"""Spread passes on what is new at once: along few links itself, along the others its mark alone (Plumtree, Leitão et al. 2007).

Invariant: an item is passed on once, when it first becomes durable here; it goes to nobody who is known to have it. What still gets
lost is reconcile's.
"""

from collections.abc import Sequence
from random import Random

from msgspec import Struct

from mesh.config import GossipConfig
from mesh.crdt.batch import Batch, OpenBatch
from mesh.crdt.board import SignedDelta
from mesh.crdt.effects import Stocked
from mesh.crdt.log import certificates_for
from mesh.crdt.replica import Replica
from mesh.effects import GossipEffect, Send, Stream
from mesh.events import Received, Tick
from mesh.gossip.lanes import MARK_COST_BYTES, MARKS, Lane, Lanes
from mesh.gossip.links import Links
from mesh.gossip.recent import Item, Recent, mark_of
from mesh.gossip.roster import Roster
from mesh.gossip.wanted import Wanted
from mesh.ids import NodeId
from mesh.messages import MARKS_MAX, Batches, Boards, Drop, Have, Mark, Message, Prune, Want

INLINE_BYTES = 1_000  # What fits a datagram of 1,200 bytes beside its seal.
ANNOUNCE_BYTES = 8 * 1024  # What is larger is pulled once, and not pushed by two parents.
PARCEL_BYTES = 256 * 1024  # One frame: small enough that a probe behind it in the stream waits milliseconds.
EAGER_LEAST = 2  # With fewer links for news a node does not let itself be pruned.
DOUBTED = 3  # So many links hear the mark of what everybody was told: a lost datagram is missed by one of them.
SOWN = 20  # So many members drawn by lot get a batch from its author beside its links: it lands in most regions.
SOWN_S = 1.0  # So long the same ones are drawn: batches of one moment share datagrams.
UNLINKED = 3  # So many members drawn by lot get the news of who has no links yet.
PRUNE_AGAIN_S = 5.0  # A prune may get lost, and the other side may have too few others.

MARKS_OF = {Lane.LEDGER: Lane.MARKS, Lane.BOARD: Lane.BOARD_MARKS}
_COUNT_MAX = INLINE_BYTES // MARK_COST_BYTES


class Update(Struct, frozen=True, gc=False):
    """A board's delta. `whole_of`: the owner whose whole board it is, so that nobody needs an older one; None: it is a part."""

    signed: SignedDelta
    whole_of: NodeId | None = None


class Fresh(Struct, frozen=True, gc=False):
    """Deltas that are new here and came together; `source` is None for this node's own."""

    updates: tuple[Update, ...]
    source: NodeId | None


class Arrivals(Struct):
    """How many items were brought here, by kind and in all: `first`, and `again` although they were known."""

    first: int = 0
    again: int = 0


SpreadEvent = Stocked | Fresh | Received | Tick
Said = tuple[Have | Batches | Boards, bool]
"""A message, and whether it goes inline, in a datagram; otherwise over a stream."""


class Spread:
    """Who gets news of data from us, and how."""

    __slots__ = (
        "_chosen",
        "_config",
        "_lanes",
        "_links",
        "_recent",
        "_replica",
        "_rng",
        "_roster",
        "_sown_until",
        "_wanted",
        "batches",
        "deltas",
    )

    def __init__(self, links: Links, roster: Roster, config: GossipConfig, rng: Random, replica: Replica) -> None:
        self._links, self._roster, self._config, self._rng, self._replica = links, roster, config, rng, replica
        self._recent, self._wanted = Recent(), Wanted(links.table)
        self._lanes = Lanes(config.budget_byte_s, 0.0)
        self._chosen: list[NodeId] = []
        self._sown_until = float("-inf")
        self.batches, self.deltas = Arrivals(), Arrivals()  # What was pushed here: duplicates are `again / first`.

    def deadline(self) -> float:
        """When something that gathers leaves, or something that is missed is asked for."""
        return min(self._lanes.ready_at, self._wanted.deadline())

    def handle(self, event: SpreadEvent, now: float) -> list[GossipEffect]:
        """React to one event. Of received data only that it came is taken in: whether it is news is for others to say."""
        effects: list[GossipEffect] = []
        match event:
            case Received(sender, _, message):
                effects = self._on_message(sender, message, now)
            case Tick():
                effects = self._ask(now)
            case Fresh(updates, source):
                for update in updates:
                    self._pass_on(update.signed, (), source, (Lane.BOARD, update.whole_of), now)
            case Stocked(batches, source):
                self._on_stocked(batches, source, now)
        return [*effects, *self._leave(now)] if self._lanes.ready_at <= now else effects

    def _on_stocked(self, batches: tuple[OpenBatch, ...], source: NodeId | None, now: float) -> None:
        with self._replica.read() as reader:
            certificates = [
                certificates_for(reader, (opened,)) if opened.content.number == 1 else () for opened in batches
            ]
        for opened, brought in zip(batches, certificates, strict=True):
            self._pass_on(opened.batch, brought, source, (Lane.LEDGER, None), now)

    def _pass_on(
        self,
        said: Batch | SignedDelta,
        certificates: tuple[bytes, ...],
        source: NodeId | None,
        lane: tuple[Lane, bytes | None],
        now: float,
    ) -> None:
        mark = mark_of(said)
        known = self._recent.get(mark)
        pushed = source is None or known is not None
        item = self._recent.meet(mark, now) if known is None else known
        self._recent.keep(item, said, certificates)
        self._wanted.came(mark)
        if source is None:
            item.copies += 1
        else:
            item.holders.setdefault(source, True)
        whole, marks = self._targets(source, item, pushed, lane[0])
        if whole:
            self._lanes.put_for(whole, lane[0], lane[1] or mark, item, now)
        if marks:
            self._lanes.put_for(marks, MARKS_OF[lane[0]], mark, item, now)
        if item.size > ANNOUNCE_BYTES:
            self._lanes.hurry(now)

    @property
    def _is_direct(self) -> bool:
        return len(self._roster.others()) <= self._config.direct_max

    def _targets(
        self, source: NodeId | None, item: Item, pushed: bool, lane: Lane
    ) -> tuple[list[NodeId], list[NodeId]]:
        """Who of those that may lack an item is given it, and who its mark. A batch's mark follows it, in case it gets lost."""
        small, holders = item.size <= ANNOUNCE_BYTES, item.holders
        if self._links.all_told or (small and self._is_direct):
            whole, marks = self._told_directly(source)
            return [node for node in whole if node not in holders], [node for node in marks if node not in holders]
        links, whole, marks = self._links.table.links, [], []
        for node, link in links.items():
            if node not in holders:
                at_once = link.eager and pushed and small
                if at_once:
                    whole.append(node)
                if not at_once or lane is Lane.LEDGER:
                    marks.append(node)
        if source is None and small and lane is Lane.LEDGER:
            whole += [node for node in self._sown(item.met_at) if node not in links]
        elif len(links) < UNLINKED:
            lots = [node for node in self._drawn(UNLINKED) if node not in links and node not in holders]
            (whole if pushed and small else marks).extend(lots)
        return whole, marks

    def _sown(self, now: float) -> list[NodeId]:
        """Who gets what is written here from here, as long as a burst of writes lasts."""
        if now >= self._sown_until:
            self._chosen, self._sown_until = self._drawn(SOWN), now + SOWN_S
        return self._chosen

    def _drawn(self, count: int) -> list[NodeId]:
        others = self._roster.others()
        return self._rng.sample(others, min(count, len(others)))

    def _told_directly(self, source: NodeId | None) -> tuple[list[NodeId], list[NodeId]]:
        """The origin tells everybody; of the others each asks a few of its links whether that has come, too."""
        if source is None:
            return list(self._roster.others()), []
        linked = list(self._links.table.links)
        return [], self._rng.sample(linked, min(DOUBTED, len(linked)))

    def _on_message(self, sender: NodeId, message: Message, now: float) -> list[GossipEffect]:
        match message:
            case Boards(deltas):
                return self._note(sender, [delta.mark for delta in deltas], self.deltas, now)
            case Have(marks):
                return self._on_have(sender, marks, now)
            case Batches(batches):
                return self._note(sender, [mark_of(batch) for batch in batches], self.batches, now)
            case Want():
                self._on_want(sender, message, now)
                return []
            case Prune():
                link = self._links.table.links.get(sender)
                if link is not None and self._links.table.eager_count() > EAGER_LEAST:
                    link.eager = False
                return []
            case _:
                raise AssertionError(f"{type(message).__name__} is not spread's to answer")

    def _note(self, sender: NodeId, marks: list[Mark], arrivals: Arrivals, now: float) -> list[GossipEffect]:
        """Take down that items came. Who is only ever the third to bring one need not bring it at once."""
        late = False
        for mark in marks:
            item = self._recent.meet(mark, now)
            self._wanted.came(mark)
            if item.copies:
                arrivals.again += 1
            else:
                arrivals.first += 1
            if not item.holders.get(sender):
                item.copies += 1
                late = late or item.copies > 2
            item.holders[sender] = True
        return self._prune(sender, now) if late else []

    def _prune(self, sender: NodeId, now: float) -> list[GossipEffect]:
        table = self._links.table
        link = table.links.get(sender)
        if link is None or now < link.pruned_at + PRUNE_AGAIN_S:
            return []
        if link.eager and table.eager_count() <= self._config.eager_min:
            return []
        link.eager, link.pruned_at = False, now
        return self._send(sender, Prune())

    def _on_have(self, sender: NodeId, marks: tuple[Mark, ...], now: float) -> list[GossipEffect]:
        for mark in marks:
            item = self._recent.get(mark)
            if item is not None:
                item.holders.setdefault(sender, False)
            else:
                self._wanted.has(mark, sender, now)
        if sender not in self._links.table.links and not self._links.all_told:
            return self._send(sender, Drop())
        return []

    def _on_want(self, sender: NodeId, want: Want, now: float) -> None:
        link = self._links.table.links.get(sender)
        if link is not None and want.graft:
            link.eager = True
        for mark in want.marks:
            item = self._recent.get(mark)
            if item is not None and item.said is not None:
                item.holders.pop(sender, None)
                lane = Lane.LEDGER if isinstance(item.said, Batch) else Lane.BOARD
                self._lanes.put(lane, sender, mark, item, now)

    def _ask(self, now: float) -> list[GossipEffect]:
        effects: list[GossipEffect] = []
        for node, marks in self._wanted.ask(now).items():
            link = self._links.table.links.get(node)
            if link is not None:
                link.eager = True
            for start in range(0, len(marks), _COUNT_MAX):
                effects += self._send(node, Want(tuple(marks[start : start + _COUNT_MAX]), graft=link is not None))
        return effects

    def _leave(self, now: float) -> list[GossipEffect]:
        """What is due leaves, as much to one peer as possible in one message."""
        gathered: dict[tuple[NodeId, Lane], list[Item]] = {}
        for lane, node, item in self._lanes.take(now):
            if node not in item.holders:  # It may have come from there while it waited here.
                items = gathered.get((node, lane))
                if items is None:
                    gathered[node, lane] = [item]
                else:
                    items.append(item)
        effects: list[GossipEffect] = []
        told: dict[
            tuple[Lane, tuple[int, ...]], Sequence[Said]
        ] = {}  # Mostly several get the same, and it is said once.
        for (node, lane), items in gathered.items():
            at = self._roster.address(node)
            if at is None:
                continue
            key = (lane, tuple(map(id, items)))
            said = told.get(key)
            if said is None:
                said = told[key] = _marks_of(items) if lane in MARKS else _messages_of(items)
            effects += [Send(node, at, message) if inline else Stream(node, at, message) for message, inline in said]
        return effects

    def _send(self, node: NodeId, message: Message) -> list[GossipEffect]:
        at = self._roster.address(node)
        return [Send(node, at, message)] if at is not None else []

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken."""
        self._lanes.check()
        self._recent.check()
        self._wanted.check()


def _marks_of(items: list[Item]) -> Sequence[Said]:
    most = min(MARKS_MAX, _COUNT_MAX)
    marks = [item.mark for item in items]
    return [(Have(tuple(marks[start : start + most])), True) for start in range(0, len(marks), most)]


def _messages_of(items: list[Item]) -> Sequence[Said]:
    small = [item for item in items if item.size <= INLINE_BYTES]
    large = [item for item in items if item.size > INLINE_BYTES]
    inline = [(message_of(group), True) for group in groups(small, INLINE_BYTES)]
    return [*inline, *((message_of(group), False) for group in groups(large, PARCEL_BYTES))]


def groups(items: list[Item], bytes_max: int) -> list[list[Item]]:
    """Items in order, in groups of at most so many bytes; one that is larger stands alone."""
    found: list[list[Item]] = []
    room = 0
    for item in items:
        if item.size > room:
            found.append([])
            room = bytes_max
        found[-1].append(item)
        room -= item.size
    return found


def message_of(items: list[Item]) -> Batches | Boards:
    """Items of one kind as one message."""
    batches = tuple(item.said for item in items if isinstance(item.said, Batch))
    if not batches:
        return Boards(tuple(item.said for item in items if isinstance(item.said, SignedDelta)))
    certificates = dict.fromkeys(raw for item in items for raw in item.certificates)
    return Batches(batches, tuple(certificates))
