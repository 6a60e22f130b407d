"""Whole peers, wired by the smallest loop that can carry them.

Invariant: the loop below is a network with one delay and a seeded loss, and disks that store at once; time is virtual.
"""

import heapq
from collections.abc import Callable
from itertools import count
from random import Random

import msgspec
import pytest

from mesh.config import Config, GossipConfig, StorageConfig
from mesh.crdt.batch import Batch
from mesh.crdt.board import SignedDelta
from mesh.crdt.effects import Composed, NotComposed, Store, StoreLazily
from mesh.crdt.events import OpenEra, Stored, StoreFailed, TakeEnds
from mesh.crdt.fingerprint import read_fingerprint
from mesh.crdt.replica import MemoryReplica
from mesh.crdt.sums import Span
from mesh.crdt.view import read_record
from mesh.effects import Dial, Effect, Emit, Posted, Send, Stream
from mesh.events import Connected, DialFailed, Leave, Publish, Received, Tick
from mesh.gossip.roster import NUMBER_MAX
from mesh.ids import Address, Boot, Head, RecordId
from mesh.messages import (
    Accept,
    Ack,
    Batches,
    Boards,
    BoardVersion,
    Digests,
    Echo,
    Gossip,
    Have,
    Heads,
    HeadSums,
    Message,
    More,
    Offer,
    Ping,
    Prune,
    RosterPage,
    Versions,
    VersionSums,
    Want,
)
from mesh.origin import Origin
from mesh.peer import Event, Peer
from mesh.records import PutRecord, Submit
from mesh.wire import decode_frame, encode_frame
from sim.trust import CheapTrust, certificate_for
from tests.crdt.admin import end_of
from tests.crdt.site import MESH, NOON, copy_of
from tests.gossip.circle import NAMES, accusation, address, node, sign, signed
from tests.gossip.circle import claim as claim_of

DELAY_S = 0.002
RECORD = RecordId("note", "shared")


class Loop:
    """Peers, what is on its way to them, and what they told the world."""

    storage = StorageConfig()

    def __init__(self, *names: str, loss: float = 0.0, seed: int = 1) -> None:
        self.now, self.loss, self.chance = NOON, loss, Random(seed)
        self.queue: list[tuple[float, int, Callable[[], None]]] = []
        self.order = count()
        self.disks = {name: (MemoryReplica(), MemoryReplica()) for name in names}
        self.boots = dict.fromkeys(names, 0)
        self.dark: set[str] = set()
        self.told: list[tuple[str, Effect]] = []
        self.peers: dict[str, Peer] = {}
        for name in names:
            self.start(name, seeds=tuple(names[:1]) if name != names[0] else ())

    def start(self, name: str, seeds: tuple[str, ...] = ()) -> None:
        """Start a node, or start it again on what its disks hold."""
        self.boots[name] += 1
        ledger, soft = self.disks[name]
        origin = Origin(
            MESH,
            certificate_for(name),
            CheapTrust(name),
            address(name),
            "",
            Boot(self.boots[name], 7),
            ledger,
            soft,
            tuple(map(address, seeds)),
            Config(GossipConfig(links_max=3, eager_min=2, direct_max=0), storage=self.storage),
        )
        chance = Random(f"{name} {self.boots[name]}")
        self.peers[name] = Peer(origin, chance, chance.randbytes, self.now)

    def tell(self, name: str, event: Event) -> list[Effect]:
        if name in self.dark:
            return []
        peer = self.peers[name]
        effects = peer.handle(event, self.now)
        peer.check()
        for effect in effects:
            self.carry_out(name, effect)
        return effects

    def later(self, act: Callable[[], None], delay_s: float = DELAY_S) -> None:
        heapq.heappush(self.queue, (self.now + delay_s, next(self.order), act))

    def carry_out(self, name: str, effect: Effect) -> None:
        match effect:
            case Send(to, _, message) | Stream(to, _, message):
                streamed = isinstance(effect, Stream)
                if streamed or self.chance.random() >= self.loss:
                    self.later(lambda: self.deliver(name, to, message, streamed))
            case Store(ticket, writes):
                self.disks[name][0].write(writes)
                self.later(lambda: self.tell(name, Stored(ticket)) and None, 0.0)
            case StoreLazily(writes):
                self.disks[name][1].write(writes)
            case Dial(at):
                self.later(lambda: self.dial(name, at))
            case _:
                self.told.append((name, effect))

    def deliver(self, sender: str, to: bytes, message: Message, streamed: bool) -> None:
        event = Received(node(sender), address(sender), decode_frame(encode_frame(message)), streamed)
        for name in self.peers:
            if node(name) == to and sender not in self.dark:
                self.tell(name, event)

    def dial(self, name: str, at: Address) -> None:
        found = [other for other in self.peers if address(other) == at and other not in self.dark]
        if not found:
            self.tell(name, DialFailed(at, "nobody answers"))
            return
        self.tell(found[0], Connected(node(name), address(name), False))
        self.tell(name, Connected(node(found[0]), at, True))

    def run(self, seconds: float) -> "Loop":
        until = self.now + seconds
        while True:
            ticks = [(max(self.now, p.deadline()), n) for n, p in self.peers.items() if n not in self.dark]
            at, name = min(ticks)
            if self.queue and self.queue[0][0] <= min(at, until):
                self.now, _, act = heapq.heappop(self.queue)
                act()
            elif at <= until:
                self.now = at
                self.tell(name, Tick())
            else:
                self.now = until
                return self

    def put(self, name: str, value: dict[str, object], request: int = 1) -> None:
        self.tell(name, Submit(request, (PutRecord(RECORD, value),), name))

    def fields(self, name: str) -> dict[str, object]:
        stored = read_record(self.disks[name][0], RECORD)
        return stored.fields() if stored is not None else {}

    def events(self, *names: str) -> list[tuple[str, str]]:
        return [(who, e.name) for who, e in self.told if isinstance(e, Emit) and (not names or e.name in names)]


def is_one(loop: Loop) -> bool:
    """Whether all peers hold and show the same."""
    digests = {msgspec.msgpack.encode(loop.peers[name].digests()) for name in loop.peers}
    fingerprints = {read_fingerprint(loop.disks[name][0]) for name in loop.peers}
    return len(digests) == len(fingerprints) == 1


def formed(**given: float) -> Loop:
    return Loop(*NAMES, **given).run(10)


def test_five_peers_find_each_other_and_agree() -> None:
    loop = formed()
    for number, name in enumerate(NAMES):
        loop.put(name, {name: number}, number)
        loop.tell(name, Publish("node", number))
    loop.run(10)
    assert is_one(loop)
    assert all(len(peer.roster.others()) == 4 for peer in loop.peers.values())
    assert all(len(peer.boards.owners()) == 5 for peer in loop.peers.values())
    assert [effect.request for _, effect in loop.told if isinstance(effect, Composed)] == [0, 1, 2, 3, 4]


def test_news_reaches_everybody_long_before_any_tick() -> None:
    loop = formed()
    loop.put("cyd", {"a": 1})
    loop.run(0.1)
    assert all(loop.fields(name) == {"a": 1} for name in NAMES)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_peers_agree_although_a_third_of_all_datagrams_are_lost(seed: int) -> None:
    loop = formed(loss=0.33, seed=seed)
    for number in range(15):
        loop.put(NAMES[number % 5], {"a": number}, number)
        loop.tell(NAMES[number % 5], Publish("node", number))
        loop.run(0.3)
    loop.loss = 0.0
    loop.run(20)
    assert is_one(loop)
    assert loop.fields("ada") == {"a": 14}
    assert all(len(peer.roster.others()) == 4 for peer in loop.peers.values())


def test_a_silent_member_is_reported_down_once_by_each() -> None:
    loop = formed()
    loop.dark.add("eve")
    loop.run(40)
    assert sorted(loop.events("member.down")) == [(name, "member.down") for name in NAMES[:-1]]


def test_a_member_that_slept_comes_back_with_all_it_missed() -> None:
    loop = formed()
    loop.dark.add("eve")
    for number in range(9):
        loop.put("ada", {"a": number}, number)
        loop.run(5)
    loop.dark.clear()
    loop.run(30)
    assert is_one(loop)
    assert loop.fields("eve") == {"a": 8}


def test_a_restarted_member_finds_the_others_by_its_peer_book() -> None:
    loop = formed()
    loop.dark.add("eve")
    loop.run(20)
    loop.start("eve")
    loop.dark.clear()
    loop.run(20)
    assert is_one(loop)
    assert len(loop.peers["eve"].roster.others()) == 4


def test_who_leaves_is_gone_and_the_last_peer_standing_still_works() -> None:
    loop = formed()
    for name in NAMES[1:]:
        loop.tell(name, Leave())
        loop.run(1)
        loop.dark.add(name)
    loop.put("ada", {"a": 1})
    loop.run(1)
    assert list(loop.peers["ada"].roster.others()) == []
    assert loop.fields("ada") == {"a": 1}
    assert loop.events("member.down") == []


def test_a_restored_disk_opens_a_new_era_and_loses_nothing() -> None:
    loop = formed()
    loop.put("eve", {"a": 1}, 1)
    loop.run(2)
    backup = copy_of(loop.disks["eve"][0])
    loop.put("eve", {"a": 2}, 2)
    loop.run(2)
    loop.dark.add("eve")
    loop.disks["eve"] = (backup, loop.disks["eve"][1])
    loop.start("eve")
    loop.dark.clear()
    loop.put("eve", {"b": 3}, 3)
    loop.run(20)
    assert is_one(loop)
    assert ("eve", "ledger.era") in loop.events()
    assert loop.events("ledger.fork") == []
    assert len(loop.peers["ada"].ledger.durable.heads()) == 2


def test_before_the_first_write_the_word_of_a_peer_ends_the_era_and_only_once() -> None:
    loop = formed()
    loop.start("eve")
    eve = loop.peers["eve"]
    own = eve.ledger.writer
    claim = Heads((Head(own, 9, b"?" * 32),), False)
    loop.tell("eve", Received(node("ada"), address("ada"), claim))
    second = eve.ledger.writer
    assert second != own
    claim = Heads((Head(second, 9, b"?" * 32),), False)
    loop.tell("eve", Received(node("ada"), address("ada"), claim))
    assert eve.ledger.writer == second


def test_later_nobody_ends_an_era_by_claiming_to_know_more_of_it() -> None:
    loop = formed()
    loop.put("eve", {"a": 1}, 1)
    loop.run(2)
    eve = loop.peers["eve"]
    before = eve.ledger.writer
    for number in (1, 2, 99):
        loop.tell("eve", Received(node("ada"), address("ada"), Heads((Head(before, number, bytes(32)),), True)))
    assert eve.ledger.writer == before


def test_two_nodes_on_copies_of_one_disk_lose_nothing_and_everybody_is_told() -> None:
    loop = formed()
    loop.put("eve", {"a": 1}, 1)
    loop.run(2)
    backup = copy_of(loop.disks["eve"][0])
    before = loop.peers["eve"].ledger.writer
    loop.put("eve", {"b": 2}, 2)
    loop.run(2)
    loop.dark |= {name for name in NAMES if name != "eve"}
    loop.disks["eve"] = (backup, loop.disks["eve"][1])
    loop.start("eve")
    loop.run(5)  # It starts where nobody can be heard, and writes under the number that its other life has used.
    loop.put("eve", {"c": 3}, 3)
    loop.run(2)
    loop.dark.clear()
    loop.run(40)
    assert is_one(loop)
    assert all(loop.fields(name) == loop.fields("eve") for name in NAMES)
    assert sorted(name for name, event in loop.events() if event == "ledger.fork") == sorted(NAMES)
    assert loop.peers["eve"].ledger.writer != before


def test_a_full_disk_is_told_and_the_peer_goes_on() -> None:
    loop = formed()
    effects = loop.peers["ada"].handle(Submit(7, (PutRecord(RECORD, {"a": 1}),), "ada"), loop.now)
    (store,) = (effect for effect in effects if isinstance(effect, Store))
    loop.tell("ada", StoreFailed(store.ticket, "the disk is full"))
    assert [effect.request for _, effect in loop.told if isinstance(effect, NotComposed)] == [7]
    loop.put("ada", {"a": 2}, 8)
    loop.run(10)
    assert is_one(loop)
    assert loop.fields("bob") == {"a": 2}


def test_boards_are_shown_once_where_they_are_new() -> None:
    loop = formed()
    loop.tell("ada", Publish("unit/a", {"state": "START"}))
    loop.run(10)
    shown = [name for name, effect in loop.told if isinstance(effect, Posted) and effect.owner == node("ada")]
    assert sorted(shown) == list(NAMES)


def test_a_guard_may_end_the_era_from_outside() -> None:
    loop = formed()
    before = loop.peers["ada"].ledger.writer
    loop.tell("ada", OpenEra("the counter beside the database disagrees"))
    assert loop.peers["ada"].ledger.writer != before


QUIET = Digests(bytes(16), bytes(16), bytes(16))
HOSTILE: list[Message] = [
    Ping(1, QUIET.summary, (sign(claim_of("bob"), by="eve"),)),
    Ping(1, QUIET.summary, (accusation("ada", counter=NUMBER_MAX),)),
    Ack(1, node("somebody unknown"), None),
    Gossip((accusation("ada", counter=NUMBER_MAX - 1), accusation("ada", boot=NUMBER_MAX - 1))),
    Gossip((accusation("ada", counter=2**64 - 1), signed("ada", boot=9))),
    RosterPage((sign(claim_of("bob", counter=-1)),), (), (node("cyd"),)),
    Heads((Head(b"", -1, b""), Head(bytes(16), 2**64 - 1, bytes(32))), True, Span(7, b"\xff", b"z", b"a"), 1, 16),
    HeadSums(b"\xff" * 8, 1, 16),
    HeadSums(b"\xff" * 9, 1, 16),
    More(1, 16),
    Versions((BoardVersion(node("bob"), Boot(-1, 0), 2**63),), True, Span(-1, b"")),
    VersionSums(b"\xff" * 2048),
    Batches((Batch(b"", b""), Batch(b"\x9e" + b"\x91" * 5_000, b"")), (b"no certificate",), True),
    Batches((Batch(b"x", b"y"),), (), True),
    Boards((SignedDelta(b"\x98" + b"\x91" * 5_000, b""),)),
    Boards(()),
    Offer(True, 2**32 - 1, True, True),
    Accept(True),
    Echo(0, (node("ada"), node("somebody unknown"))),
    Have((bytes(8),) * 4_096),
    Want((bytes(8),) * 4_096, True),
    Prune(),
]


@pytest.mark.parametrize("message", HOSTILE, ids=lambda message: type(message).__name__)
def test_what_a_hostile_peer_says_stops_nobody(message: Message) -> None:
    loop = formed()
    loop.tell("ada", Received(node("eve"), address("eve"), decode_frame(encode_frame(message))))
    loop.put("ada", {"a": 1})
    loop.run(20)
    assert loop.fields("bob") == {"a": 1}


def test_the_same_seed_gives_the_same_run() -> None:
    runs = [formed(loss=0.2, seed=4) for _ in range(2)]
    assert runs[0].told == runs[1].told
    assert runs[0].now == runs[1].now


def test_an_end_reaches_everybody_who_is_there_and_who_comes_back() -> None:
    loop = Loop("ada", "bob", "cyd")
    loop.run(8)
    loop.put("bob", {"current": 1}, 1)
    loop.run(3)
    loop.put("cyd", {"current": 2}, 2)
    loop.run(3)
    loop.dark.add("cyd")
    writer = loop.peers["bob"].ledger.writer
    loop.tell("ada", TakeEnds((end_of(writer),)))
    loop.run(10)
    assert loop.peers["bob"].ledger.is_ended
    loop.dark.discard("cyd")
    loop.run(60)
    for name in ("ada", "bob", "cyd"):
        ledger = loop.peers[name].ledger
        assert [end.writer for end in ledger.durable.ends.by_name.values()] == [writer]
        assert writer not in ledger.durable.lines
    assert len({loop.peers[name].ledger.durable.digest for name in loop.peers}) == 1
    assert len({loop.peers[name].repair.state() for name in loop.peers}) == 1
