"""Membership: nodes that hear of each other, miss each other, and refute.

Invariant: the circle below is a network without delay in virtual time; who is `deaf` hears and says nothing.
"""

import msgspec

from mesh.crdt.keys import BOOT
from mesh.crdt.replica import Table, Write
from mesh.effects import Emit, GossipEffect, Send, StoreLazily, Stream
from mesh.events import Connected, Disconnected, Leave, Received, Tick
from mesh.gossip.membership import PAGE_BYTES, Membership, boot_write
from mesh.ids import Boot
from mesh.messages import Ack, Claim, Digests, Gossip, Message, Ping, PingRequest, RosterPage, Standing
from mesh.security.trust import fingerprint
from tests.gossip.circle import CONFIG, NAMES, accusation, address, claim, node, rng, roster, sign, signed
from tests.gossip.transcript import check_transcript, line, name_of

QUIET = Digests(bytes(16), bytes(16), bytes(16))


class Circle:
    """Members that hear each other at once."""

    def __init__(self, *names: str) -> None:
        self.now = 0.0
        self.deaf: set[str] = set()
        self.lines: list[str] = []
        self.emitted: list[tuple[str, str, str]] = []
        self.cores = {name: self._member(name, seed) for seed, name in enumerate(names)}

    def _member(self, name: str, seed: int) -> Membership:
        known = roster(name)
        return Membership(known, CONFIG, rng(seed), lambda: Digests(known.digest, bytes(16), bytes(16)), 0.0)

    def tell(self, name: str, event: Received | Connected | Disconnected | Leave | Tick) -> None:
        if name in self.deaf:
            return
        core = self.cores[name]
        effects = core.handle(event, self.now)
        core.check()
        for effect in effects:
            self.lines.append(f"{self.now:6.3f} {name}: {line(effect)}")
        for effect in effects:
            if isinstance(effect, Emit):
                self.emitted.append((name, effect.name, name_of(bytes.fromhex(str(effect.about["node"])))))
            if isinstance(effect, Send | Stream):
                self.tell(name_of(effect.to), Received(node(name), address(name), effect.message))

    def join(self, name: str, other: str) -> None:
        self.tell(other, Connected(node(name), address(name), False))
        self.tell(name, Connected(node(other), address(other), True))

    def run(self, until: float) -> None:
        while True:
            awake = {name: core.deadline() for name, core in self.cores.items() if name not in self.deaf}
            name = min(awake, key=lambda name: (max(awake[name], self.now), name))
            if awake[name] > until:
                self.now = until
                return
            self.now = max(awake[name], self.now)
            self.tell(name, Tick())

    def others(self, name: str) -> list[str]:
        return sorted(map(name_of, self.cores[name].roster.others()))


def circle_of(*names: str) -> Circle:
    circle = Circle(*names)
    for name in names[1:]:
        circle.join(name, names[0])
    circle.run(5.0)
    return circle


def alone(*known: str) -> Membership:
    return Membership(roster("ada", *known), CONFIG, rng(), lambda: QUIET, 0.0)


def heard(core: Membership, message: Message, by: str = "bob", now: float = 1.0) -> list[GossipEffect]:
    return core.handle(Received(node(by), address(by), message), now)


def test_who_joins_one_is_soon_known_by_all() -> None:
    circle = circle_of(*NAMES)
    for name in NAMES:
        assert circle.others(name) == sorted(set(NAMES) - {name})
    digests = {circle.cores[name].roster.digest for name in NAMES}
    assert len(digests) == 1


def test_a_silent_member_is_reported_down_once_by_each() -> None:
    circle = circle_of(*NAMES)
    circle.deaf.add("eve")
    circle.run(40.0)
    downs = [name for name, said, about in circle.emitted if (said, about) == ("member.down", "eve")]
    assert sorted(downs) == ["ada", "bob", "cyd", "dan"]
    assert not [said for said in circle.emitted if said[1] == "member.down" and said[2] != "eve"]


def test_a_member_that_comes_back_refutes() -> None:
    circle = circle_of(*NAMES)
    circle.deaf.add("eve")
    circle.run(40.0)
    circle.deaf.clear()
    circle.join("eve", "ada")
    circle.run(60.0)
    assert all(len(circle.others(name)) == 4 for name in NAMES)
    assert ("eve", "member.refuted", "eve") in circle.emitted


def test_a_false_accusation_is_refuted_before_it_does_harm() -> None:
    circle = circle_of(*NAMES)
    circle.tell("ada", Received(node("eve"), address("eve"), Gossip((accusation("bob", standing=Standing.SUSPECT),))))
    circle.run(30.0)
    assert "member.down" not in [said for _, said, _ in circle.emitted]
    assert all(core.roster.get(node("bob")).claim.counter == 1 for core in circle.cores.values())


def test_who_leaves_is_gone_at_once_and_accused_by_nobody() -> None:
    circle = circle_of(*NAMES)
    circle.tell("eve", Leave())
    assert all("eve" not in circle.others(name) for name in NAMES[:-1])
    circle.deaf.add("eve")
    circle.run(40.0)
    assert {said for _, said, about in circle.emitted if about == "eve"} == {"member.alive", "member.left"}


def test_a_ping_is_answered_and_carries_the_accusation_of_the_other_side() -> None:
    core = alone("bob")
    core.roster.hear(accusation("bob"), 0.5)
    effects = heard(core, Ping(7, QUIET))
    (ack,) = (effect.message for effect in effects if isinstance(effect, Send))
    assert (ack.probe, ack.target, ack.news[0]) == (7, node("ada"), accusation("bob"))


def test_a_stale_claim_is_answered_to_the_claimant_alone() -> None:
    core = alone("bob")
    core.roster.hear(accusation("bob"), 0.5)
    answer = Gossip((accusation("bob"),))
    assert heard(core, Gossip((signed("bob"),)), by="bob") == [Send(node("bob"), address("bob"), answer)]
    assert heard(core, Gossip((signed("bob"),)), by="cyd") == []


def test_a_stale_accusation_is_answered_to_whoever_spreads_it() -> None:
    core = alone("bob", "cyd")
    core.roster.hear(signed("bob", counter=3), 0.5)
    (answer,) = heard(core, Gossip((accusation("bob", counter=2),)), by="cyd")
    assert answer == Send(node("cyd"), address("cyd"), Gossip((signed("bob", counter=3),)))


def test_rosters_that_differ_are_exchanged_whole_and_not_too_often() -> None:
    core = alone("bob")
    streams = [
        [effect for effect in heard(core, Ping(probe, QUIET), now=now) if isinstance(effect, Stream)]
        for probe, now in enumerate((1.0, 1.1, 9.0))
    ]
    assert [len(found) for found in streams] == [1, 0, 1]
    assert isinstance(streams[0][0].message, RosterPage)
    assert streams[0][0].message.reply


def test_equal_rosters_are_not_exchanged() -> None:
    core = alone("bob")
    same = Digests(core.roster.digest, bytes(16), bytes(16))
    assert not [effect for effect in heard(core, Ping(1, same)) if isinstance(effect, Stream)]


def test_a_page_is_answered_with_a_page_only_when_asked() -> None:
    core = alone("bob")
    (answer,) = heard(core, RosterPage((), (), True))
    assert not answer.message.reply
    assert heard(core, RosterPage((), (), False)) == []


def test_a_roster_larger_than_a_page_comes_in_pages_of_which_the_last_asks() -> None:
    core = alone("bob")
    for number in range(PAGE_BYTES // 7_000 + 9):
        said = claim(f"n{number:03}".ljust(60, "-"))
        key = said.key.ljust(7_000, b"-")
        core.roster.hear(sign(msgspec.structs.replace(said, key=key, node=fingerprint(key))), 0.0)
    pages = [effect.message for effect in core.handle(Connected(node("bob"), address("bob"), True), 0.0)]
    assert len(pages) > 1
    assert [page.reply for page in pages] == [False] * (len(pages) - 1) + [True]
    claims = [claim for page in pages for claim in page.claims]
    assert claims == list(core.roster.page()[0])
    assert all(sum(len(claim.body) for claim in page.claims) <= PAGE_BYTES for page in pages)


def test_a_forged_piece_is_told_and_takes_nothing_from_what_is_true() -> None:
    core = alone("bob")
    forged = sign(claim("cyd"), by="eve")
    effects = heard(core, Ping(7, QUIET, (signed("dan"), forged, signed("eve"))))
    assert core.roster.others() == [node("bob"), node("dan")]
    assert [effect.name for effect in effects if isinstance(effect, Emit)] == ["member.alive", "peer.malformed"]
    assert Ack in [type(effect.message) for effect in effects if isinstance(effect, Send)]
    assert [effect.writes[0].key for effect in effects if isinstance(effect, StoreLazily)] == [node("dan")]


def test_a_helper_pings_and_passes_the_answer_on() -> None:
    core = alone("bob", "cyd")
    (ping,) = heard(core, PingRequest(77, node("cyd"), address("cyd")), by="bob")
    assert (ping.to, type(ping.message)) == (node("cyd"), Ping)
    effects = heard(core, Ack(ping.message.probe, node("cyd"), None), by="cyd")
    assert effects == [Send(node("bob"), address("bob"), Ack(77, node("cyd"), None))]


def test_the_peer_book_keeps_the_newest_claim_of_the_departed_too() -> None:
    core = alone()
    effects = heard(core, Gossip((signed("bob"), signed("bob", 1, standing=Standing.LEFT))))
    rows = [write for effect in effects if isinstance(effect, StoreLazily) for write in effect.writes]
    assert [(write.table, write.key) for write in rows] == [(Table.BOOK, node("bob"))] * 2
    assert rows[-1].value == msgspec.msgpack.encode(signed("bob", 1, standing=Standing.LEFT))


def test_a_higher_boot_is_kept_on_disk() -> None:
    core = alone("bob")
    effects = heard(core, Gossip((accusation("ada", boot=5),)))
    assert StoreLazily((boot_write(Boot(6, 7)),)) in effects
    assert boot_write(Boot(6, 7)) == Write(Table.META, BOOT, msgspec.msgpack.encode(Boot(6, 7)))


def test_news_leaves_at_the_gossip_interval_to_a_few() -> None:
    core = alone(*NAMES[1:])
    heard(core, Gossip((signed("fay"),)))
    effects = core.handle(Tick(), 1.0)
    gossips = [effect for effect in effects if isinstance(effect, Send) and isinstance(effect.message, Gossip)]
    assert len({effect.to for effect in gossips}) == CONFIG.gossip_fanout


def test_the_dialler_opens_with_its_roster() -> None:
    core = alone("bob")
    (page,) = core.handle(Connected(node("cyd"), address("cyd"), True), 1.0)
    names = [msgspec.msgpack.decode(piece.body, type=Claim).name for piece in page.message.claims]
    assert (page.to, names, page.message.reply) == (node("cyd"), ["ada", "bob"], True)
    assert core.handle(Connected(node("cyd"), address("cyd"), False), 1.0) == []


def test_the_transcript_of_join_crash_and_refutation_is_as_it_was() -> None:
    """Three nodes join; one crashes, is suspected and goes down; it comes back and refutes. MESH_GOLDEN=1 rewrites it."""
    circle = Circle("ada", "bob", "cyd")
    circle.join("bob", "ada")
    circle.join("cyd", "ada")
    circle.run(2.0)
    circle.lines.append("-- cyd crashes")
    circle.deaf.add("cyd")
    circle.run(9.0)
    circle.lines.append("-- cyd is back")
    circle.deaf.clear()
    circle.join("cyd", "bob")
    circle.run(10.0)
    check_transcript("membership", circle.lines)
    assert circle.others("ada") == ["bob", "cyd"]
