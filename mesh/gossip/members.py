"""Members: everybody ever heard of, as a base that many nodes of one process may share and this node's own differences (DESIGN §7).

Invariant: a base never changes; what a node keeps of its own grows with its differences from the base alone. The list of those who
take part and the indexes agree with the entries.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from msgspec import Struct

from mesh.crdt.sums import SUM_MODULUS, Sums
from mesh.ids import Address, NodeId
from mesh.messages import Accusation, Claim, SignedClaim, Standing

MARK_BYTES = 8
NOWHERE = -1


class Member(Struct, frozen=True, gc=False):
    """What is known of one member: its newest claim, how it stands, since when (seconds), and who says so."""

    claim: Claim
    signed: SignedClaim
    standing: Standing
    since: float
    accusation: Accusation | None = None
    weight: int = 0

    @property
    def mark(self) -> bytes:
        """8 bytes of its (boot, counter) and standing: two that differ look equal once in 2^64."""
        return (self.weight % (1 << 64)).to_bytes(MARK_BYTES, "big")

    @property
    def reachable(self) -> bool:
        """Whether it takes part: a suspect does until the suspicion is confirmed."""
        return self.standing in (Standing.ALIVE, Standing.SUSPECT)


class Acquaintance:
    """Members that several nodes know alike: the shared base of their rosters. All of them take part."""

    __slots__ = ("at", "entries", "named", "order", "places", "sums")

    def __init__(self, members: Iterable[Member] = ()) -> None:
        self.entries = {member.claim.node: member for member in members}
        self.order = tuple(self.entries)
        self.places = {node: place for place, node in enumerate(self.order)}
        self.sums = Sums()
        self.at: dict[Address, list[NodeId]] = {}
        self.named: dict[str, list[NodeId]] = {}
        for node, member in self.entries.items():
            assert member.reachable, f"{member.claim.name} is known to all and takes no part"
            self.sums.add(node, member.weight)
            self.at.setdefault(member.claim.address, []).append(node)
            self.named.setdefault(member.claim.name, []).append(node)


NOBODY = Acquaintance()


class Present(Sequence[NodeId]):
    """Those who take part, in no order that means anything. Each comes and goes in constant time.

    The list is the base's, of which only the places are kept that hold somebody else.
    """

    __slots__ = ("_base", "_length", "_moved", "_places")

    def __init__(self, base: Acquaintance) -> None:
        self._base, self._length = base, len(base.order)
        self._moved: dict[int, NodeId] = {}
        self._places: dict[NodeId, int] = {}

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, place: int) -> NodeId: ...
    @overload
    def __getitem__(self, place: slice) -> list[NodeId]: ...
    def __getitem__(self, place: int | slice) -> NodeId | list[NodeId]:
        if isinstance(place, slice):
            return list(self._listed()[place])
        if place < 0:
            place += self._length
        if not 0 <= place < self._length:
            raise IndexError(place)
        moved = self._moved.get(place)
        return moved if moved is not None else self._base.order[place]

    def __iter__(self) -> Iterator[NodeId]:
        return iter(self._listed())

    def _listed(self) -> Sequence[NodeId]:
        """Those who take part now, in the order of their places."""
        order = self._base.order[: self._length]
        if not self._moved:
            return order
        anybody = next(iter(self._moved.values()))  # Every place behind the base's is among the moved.
        found = [*order, *[anybody] * (self._length - len(order))]
        for place, node in self._moved.items():
            found[place] = node
        return found

    def __contains__(self, node: object) -> bool:
        place = self._places.get(node)  # type: ignore[call-overload]
        return place != NOWHERE if place is not None else node in self._base.places

    def _place(self, node: NodeId) -> int:
        place = self._places.get(node)
        return place if place is not None else self._base.places[node]

    def add(self, node: NodeId) -> None:
        """Let a member take part that did not."""
        self._moved[self._length] = node
        self._places[node] = self._length
        self._length += 1

    def remove(self, node: NodeId) -> None:
        """Take out one that takes part; the last one moves to its place."""
        place, last = self._place(node), self[self._length - 1]
        self._length -= 1
        self._moved.pop(self._length, None)
        if last != node:
            self._moved[place] = last
            self._places[last] = place
        if node in self._base.places:
            self._places[node] = NOWHERE
        else:
            del self._places[node]

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken."""
        assert all(self._places[node] == place for place, node in self._moved.items())
        kept = {place: node for node, place in self._places.items() if place != NOWHERE}
        assert kept == self._moved, "a member is listed twice, or nowhere"
        order, gone = self._base.order, range(self._length, len(self._base.order))
        assert all(order[place] in self._places for place in (*self._moved, *gone) if place < len(order))


class Members:
    """The entries of one node's roster, in the order in which they were heard of."""

    __slots__ = ("_added", "_at", "_base", "_me", "_named", "_own", "absent", "changes", "present", "sums", "suspects")

    def __init__(self, me: NodeId, base: Acquaintance) -> None:
        self._me, self._base = me, base
        self._own: dict[NodeId, Member] = {}
        self._added: list[NodeId] = []
        self._at: dict[Address, dict[NodeId, None]] = {}
        self._named: dict[str, dict[NodeId, None]] = {}
        self.changes = 0  # So many entries were put.
        self.sums = base.sums.copy()
        self.present = Present(base)
        self.absent: dict[NodeId, None] = {}
        self.suspects: dict[NodeId, None] = {}
        if me in self.present:
            self.present.remove(me)

    def __len__(self) -> int:
        return len(self._base.order) + len(self._added)

    def __iter__(self) -> Iterator[Member]:
        for node, member in self._base.entries.items():
            yield self._own.get(node, member)
        for node in self._added:
            yield self._own[node]

    def nodes(self) -> Iterator[NodeId]:
        """The identities of all."""
        yield from self._base.order
        yield from self._added

    def nth(self, place: int) -> NodeId:
        """The one heard of as number `place`; nobody's number ever changes."""
        known = len(self._base.order)
        return self._base.order[place] if place < known else self._added[place - known]

    def get(self, node: NodeId) -> Member | None:
        """The entry of a member, if it was ever heard of."""
        own = self._own.get(node)
        return own if own is not None else self._base.entries.get(node)

    def at(self, address: Address) -> list[NodeId]:
        """Those who take part and listen at `address`, without this node."""
        found = [*self._base.at.get(address, ()), *self._at.get(address, ())]
        return [node for node in found if node in self.present and self[node].claim.address == address]

    def named(self, name: str) -> list[NodeId]:
        """Those that go by a human name."""
        found = [*self._base.named.get(name, ()), *self._named.get(name, ())]
        return [node for node in found if self[node].claim.name == name]

    def __getitem__(self, node: NodeId) -> Member:
        member = self.get(node)
        assert member is not None, f"{node.hex()} was never heard of"
        return member

    def put(self, member: Member) -> None:
        """Replace the entry of a member, or begin one."""
        claim, before = member.claim, self.get(member.claim.node)
        self.sums.add(claim.node, member.weight - (before.weight if before is not None else 0))
        self._own[claim.node] = member
        self.changes += 1
        if before is None:
            self._added.append(claim.node)
        if claim.node not in self._base.at.get(claim.address, ()):
            self._at.setdefault(claim.address, {})[claim.node] = None
        if claim.node not in self._base.named.get(claim.name, ()):
            self._named.setdefault(claim.name, {})[claim.node] = None
        if before is not None and before.claim is not claim:
            self._forget(before.claim, claim)
        self._list(member)

    def _forget(self, before: Claim, now: Claim) -> None:
        """Take a claim that no longer holds out of this node's own indexes."""
        if before.address != now.address and before.node in self._at.get(before.address, ()):
            del self._at[before.address][before.node]
        if before.name != now.name and before.node in self._named.get(before.name, ()):
            del self._named[before.name][before.node]

    def _list(self, member: Member) -> None:
        node = member.claim.node
        if node == self._me:
            return
        if member.reachable:
            self.absent.pop(node, None)
        else:
            self.absent[node] = None
        if member.standing is Standing.SUSPECT:
            self.suspects[node] = None
        else:
            self.suspects.pop(node, None)
        if member.reachable is not (node in self.present):
            (self.present.add if member.reachable else self.present.remove)(node)

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken."""
        self.present.check()
        assert self._me not in self.present
        assert len(self.present) + len(self.absent) + 1 == len(self)
        for node, member in self._own.items():  # The others are the base's, which never changes.
            if node != self._me:
                assert (node in self.present) is member.reachable is (node not in self.absent)
                assert (node in self.suspects) is (member.standing is Standing.SUSPECT)
            assert node == self._me or not member.reachable or node in self.at(member.claim.address)
        base = self._base.entries
        own = sum(m.weight - (base[node].weight if node in base else 0) for node, m in self._own.items())
        assert self.sums.total == (self._base.sums.total + own) % SUM_MODULUS
