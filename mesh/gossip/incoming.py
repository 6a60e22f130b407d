"""Incoming: what this node lacks arrives as parcels; it says how many it takes, and from whom it waits for how long (DESIGN §8).

Invariant: more is asked for only when what came is stored; a peer that promises and does not send is waited for a bounded time.
"""

from random import Random

import msgspec
from msgspec import Struct

from mesh.crdt.effects import Fact
from mesh.crdt.lines import Lines
from mesh.effects import Emit, GossipEffect, Stream
from mesh.ids import Address, NodeId
from mesh.messages import Heads, More

WINDOW = 3  # Parcels under way: one is on the wire while one is merged and one is stored.
LONG_BATCHES = 1_000  # A pull of so many is worth showing, and one at a time is enough.
WANTED_MAX = 2**53  # A liar's numbers are shown to people too, as JSON.
ANSWER_S = 2.0  # The first answer takes a round trip and the other side's slice of work.
PATIENCE_S = 5.0  # A parcel over a line of one megabit takes a second.
AVOID_S = 60.0  # A peer that promised and did not send is asked last for so long.
TELL_S = 1.0  # How often the progress of a long pull is told.


class Merged(Struct, frozen=True):
    """Batches that came from `peer` are merged under `ticket`; None: there was no news in them."""

    peer: NodeId
    at: Address
    session: int
    more: bool
    count: int
    ticket: int | None


class Progress(Struct, frozen=True):
    """How far a node is that takes in what it lacks: batches that it has, and all that the asked peer has told of."""

    have: int
    wanted: int


class Pull(Struct):
    """What one peer is sending us. `wanted` batches, of which `got` are stored; None: it has not said yet."""

    session: int
    mine: bool
    since: float
    moved_at: float
    wanted: int | None = None
    got: int = 0
    told_at: float = float("-inf")

    @property
    def long(self) -> bool:
        """Whether it is worth showing."""
        return (self.wanted or 0) >= LONG_BATCHES

    @property
    def patience_until(self) -> float:
        """When it counts as given up."""
        return self.moved_at + (ANSWER_S if self.wanted is None else PATIENCE_S)


class Incoming:
    """All pulls, and the parcels that wait for the disk."""

    __slots__ = ("_avoided", "_newest", "_pulls", "_rng", "_stored", "_unstored")

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._pulls: dict[NodeId, Pull] = {}
        self._unstored: list[Merged] = []
        self._newest = self._stored = 0
        self._avoided: dict[NodeId, float] = {}

    def deadline(self) -> float:
        """When the first patience ends."""
        return min((pull.patience_until for pull in self._pulls.values()), default=float("inf"))

    @property
    def busy(self) -> bool:
        """Whether anybody is asked by us already, or sends us much."""
        return any(pull.mine or pull.long for pull in self._pulls.values())

    def long_from(self, peer: NodeId | None) -> bool:
        """Whether `peer` is sending us much."""
        return peer in self._pulls and self._pulls[peer].long

    def avoids(self, peer: NodeId, now: float) -> bool:
        """Whether `peer` has lately promised what it did not send."""
        return now < self._avoided.get(peer, now)

    def ask(self, peer: NodeId, now: float) -> int:
        """Begin a pull of our own. Returns its session."""
        session = self._rng.randrange(1, 1 << 32)
        self._pulls[peer] = Pull(session, mine=True, since=now, moved_at=now)
        return session

    def crossed(self, peer: NodeId, session: int, prior: bool, now: float) -> bool:
        """Whether `peer` asks while it is asked by us; of two such sessions the one that is `prior` goes on."""
        pull = self._pulls.get(peer)
        if pull is None or not pull.mine or pull.session == session:
            return False
        return prior and pull.wanted is None and now < pull.since + ANSWER_S

    def credit(self, peer: NodeId, session: int, now: float) -> int:
        """How many parcels `peer` may send in `session`. None while somebody else sends us much."""
        if any(pull.long for other, pull in self._pulls.items() if other != peer):
            return 0
        pull = self._pulls.get(peer)
        if pull is None or pull.session != session:
            self._pulls[peer] = Pull(session, mine=False, since=now, moved_at=now)
        return WINDOW

    def promise(self, peer: NodeId, heads: Heads, lines: Lines, now: float) -> list[GossipEffect]:
        """`peer` has told what it holds: is there anything to wait for?"""
        pull = self._pulls.get(peer)
        if pull is None or pull.session != heads.session:
            return []
        if pull.wanted is None:
            pull.moved_at = now  # Once: who goes on promising is no better for it.
        newest = {h.writer: h.number for h in sorted(heads.heads)}  # Of a writer that forked there are several.
        ahead = [n - (lines[w].have.number if w in lines else 0) for w, n in newest.items()]
        pull.wanted = min(WANTED_MAX, (pull.wanted or 0) + sum(number for number in ahead if number > 0))
        if not pull.wanted and not heads.span.until:
            del self._pulls[peer]
        return self._tell(peer, pull, lines, now)

    def merged(self, merged: Merged, lines: Lines, now: float) -> list[GossipEffect]:
        """A piece of a parcel is merged. Only a parcel's last piece bears its session."""
        self._newest = merged.ticket or self._newest
        pull = self._pulls.get(merged.peer)
        if pull is not None and merged.ticket is not None:
            pull.moved_at = now
            pull.got += merged.count
        if not merged.session:
            return []
        self._unstored.append(msgspec.structs.replace(merged, ticket=self._newest))
        return self._settle(lines, now)

    def stored(self, ticket: int, lines: Lines, now: float) -> list[GossipEffect]:
        """Everything up to `ticket` is on disk."""
        self._stored = ticket
        return self._settle(lines, now)

    def failed(self) -> None:
        """The disk has refused everything under way: the digests will still differ."""
        self._stored = self._newest
        self._unstored.clear()
        self._pulls.clear()

    def forget(self, peer: NodeId) -> None:
        """The peer is gone."""
        self._pulls.pop(peer, None)

    def lose_patience(self, now: float) -> list[GossipEffect]:
        """Give up those that have not moved; what waits for our own disk is not their fault."""
        late = [peer for peer, pull in self._pulls.items() if now >= pull.patience_until]
        told: list[GossipEffect] = []
        for peer in late:
            if any(merged.peer == peer for merged in self._unstored):
                self._pulls[peer].moved_at = now
                continue
            pull = self._pulls.pop(peer)
            if pull.wanted is not None:
                self._avoided[peer] = now + AVOID_S
                about: dict[str, Fact] = {"node": peer.hex(), "got": pull.got, "wanted": pull.wanted}
                told.append(Emit("reconcile.stalled", {**about, "reason": "it told of batches and did not send them"}))
        return told

    def progress(self, lines: Lines) -> Progress | None:
        """How far a long pull is; None: there is none."""
        pull = next((pull for pull in self._pulls.values() if pull.long), None)
        return _progress(pull, lines) if pull is not None else None

    def _settle(self, lines: Lines, now: float) -> list[GossipEffect]:
        effects: list[GossipEffect] = []
        while self._unstored and (self._unstored[0].ticket or 0) <= self._stored:
            merged = self._unstored.pop(0)
            pull = self._pulls.get(merged.peer)
            current = pull is not None and pull.session == merged.session
            if pull is not None and current:
                if merged.more:
                    pull.moved_at = now
                else:
                    del self._pulls[merged.peer]
                effects += self._tell(merged.peer, pull, lines, now)
            if merged.more:
                effects.append(Stream(merged.peer, merged.at, More(merged.session, 1)))
        return effects

    def _tell(self, peer: NodeId, pull: Pull, lines: Lines, now: float) -> list[GossipEffect]:
        done = peer not in self._pulls
        if not pull.long or (now < pull.told_at + TELL_S and not done):
            return []
        pull.told_at = now
        progress = _progress(pull, lines)
        about: dict[str, Fact] = {"node": peer.hex(), "have": progress.have, "wanted": progress.wanted}
        return [Emit("reconcile.done" if done else "reconcile.progress", about)]


def _progress(pull: Pull, lines: Lines) -> Progress:
    have = sum(line.have.number for line in lines.values())
    return Progress(have, have + max(0, (pull.wanted or 0) - pull.got))
