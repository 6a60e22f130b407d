"""Membership: nodes that hear of each other, miss each other, and refute.

Invariant: the circle below is a network without delay in virtual time; who is `deaf` hears and says nothing.
"""

import msgspec
import pytest

from mesh.config import PROFILES, GossipConfig
from mesh.crdt.keys import BOOT
from mesh.crdt.replica import Table, Write
from mesh.effects import Dial, Emit, GossipEffect, Send, StoreLazily, Stream
from mesh.events import Connected, DialFailed, Disconnected, Leave, Received, Tick
from mesh.gossip.membership import Membership, boot_write
from mesh.ids import Boot
from mesh.messages import (
    Ack,
    Digests,
    Gossip,
    Knock,
    Message,
    Open,
    Ping,
    PingRequest,
    RosterPage,
    RosterSums,
    Standing,
)
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
                streamed = isinstance(effect, Stream)
                self.tell(name_of(effect.to), Received(node(name), address(name), effect.message, streamed))

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


def test_who_introduces_itself_to_one_that_has_left_hears_so_on_its_stream() -> None:
    core = alone()
    assert core.handle(Leave(), 1.0) == []
    page = RosterPage((signed("bob"),), ())
    effects = core.handle(Received(node("bob"), address("bob"), page, streamed=True), 1.0)
    assert Stream(node("bob"), address("bob"), Gossip((core.roster.own.signed,))) in effects
    assert core.roster.own.claim.standing is Standing.LEFT


def test_a_ping_is_answered_and_carries_the_accusation_of_the_other_side() -> None:
    core = alone("bob")
    core.roster.hear(accusation("bob"), 0.5)
    effects = heard(core, Ping(7, QUIET.summary))
    ack = effects[0].message
    assert (ack.probe, ack.target, ack.news[0]) == (7, node("ada"), accusation("bob"))


def test_a_stale_claim_is_answered_to_the_claimant_alone() -> None:
    core = alone("bob")
    core.roster.hear(accusation("bob"), 0.5)
    answer = Gossip((accusation("bob"),))
    assert heard(core, Gossip((signed("bob"),)), by="bob") == [Send(node("bob"), address("bob"), answer)]
    assert heard(core, Gossip((signed("bob"),)), by="cyd") == []


def test_a_claim_older_than_the_one_held_is_answered_with_all_that_is_held_so_that_its_member_outdoes_it() -> None:
    core = alone("bob")
    core.roster.hear(signed("bob", counter=3), 0.5)
    core.roster.hear(accusation("bob", counter=3), 0.6)
    held = Gossip((signed("bob", counter=3), accusation("bob", counter=3)))
    assert heard(core, Gossip((signed("bob", counter=1),)), by="bob") == [Send(node("bob"), address("bob"), held)]
    assert heard(core, Gossip((signed("bob", counter=1),)), by="cyd") == []


def test_a_stale_accusation_is_answered_to_whoever_spreads_it() -> None:
    core = alone("bob", "cyd")
    core.roster.hear(signed("bob", counter=3), 0.5)
    (answer,) = heard(core, Gossip((accusation("bob", counter=2),)), by="cyd")
    assert answer == Send(node("cyd"), address("cyd"), Gossip((signed("bob", counter=3),)))


def test_rosters_that_differ_are_compared_and_not_too_often() -> None:
    core = alone("bob")
    asked = [
        [
            effect
            for effect in heard(core, Ack(probe, node("bob"), QUIET), by="bob", now=now)
            if isinstance(effect, Send) and isinstance(effect.message, RosterSums)
        ]
        for probe, now in enumerate((1.0, 1.1, 9.0))
    ]
    assert [len(found) for found in asked] == [1, 0, 1]


def test_equal_rosters_are_not_compared() -> None:
    core = alone("bob")
    same = Digests(core.roster.digest, bytes(16), bytes(16))
    effects = heard(core, Ack(1, node("bob"), same), by="bob")
    assert not [effect for effect in effects if isinstance(effect, Send)]


def test_digests_are_told_where_they_differ_from_the_summary_in_the_ping() -> None:
    core = alone("bob")
    other = Digests(bytes(16), bytes(16), bytes(15) + b"x")
    told = [heard(core, Ping(1, summary))[0].message.digests for summary in (QUIET.summary, other.summary)]
    assert told == [None, QUIET]


def test_a_forged_piece_is_told_and_takes_nothing_from_what_is_true() -> None:
    core = alone("bob")
    forged = sign(claim("cyd"), by="eve")
    effects = heard(core, Ping(7, QUIET.summary, (signed("dan"), forged, signed("eve"))))
    assert list(core.roster.others()) == [node("bob"), node("dan")]
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
    effects = heard(core, Gossip((signed("ada", boot=5),)))
    assert StoreLazily((boot_write(Boot(6, 7)),)) in effects
    assert boot_write(Boot(6, 7)) == Write(Table.META, BOOT, msgspec.msgpack.encode(Boot(6, 7)))


def test_news_leaves_at_the_gossip_interval_to_a_few() -> None:
    core = alone(*NAMES[1:])
    heard(core, Gossip((signed("fay"),)))
    effects = core.handle(Tick(), 1.0)
    gossips = [effect for effect in effects if isinstance(effect, Send) and isinstance(effect.message, Gossip)]
    assert len({effect.to for effect in gossips}) == CONFIG.gossip_fanout


def told(config: GossipConfig, times: int) -> tuple[int, int]:
    """How often a new claim leaves in messages of its own, and with probes, where others tell it so many times."""
    core = Membership(roster(*NAMES), config, rng(), lambda: QUIET, 0.0)
    for _ in range(times + 1):
        heard(core, Gossip((signed("fay"),)), now=0.0)
    alone, along = 0, 0
    while (now := core.deadline()) < 9.0:
        for effect in core.handle(Tick(), now):
            match effect:
                case Send(_, _, Gossip(news)):
                    alone += signed("fay") in news
                case Send(to, at, Ping(probe, _, news)):
                    along += signed("fay") in news
                    core.handle(Received(to, at, Ack(probe, to, None)), now)
                case _:
                    pass
    return alone, along


def test_news_that_others_tell_as_well_is_told_less_and_old_news_rides_along() -> None:
    assert told(CONFIG, 0) == (3, 1)
    assert told(CONFIG, 2) == (0, 2)
    assert told(CONFIG, 4) == (0, 0)


@pytest.mark.parametrize("profile", ["swim", "lifeguard", "lifeguard4", "lifeguard2"])
def test_memberlist_tells_news_as_often_whatever_it_hears(profile: str) -> None:
    assert told(PROFILES[profile], 0) == told(PROFILES[profile], 4)
    assert sum(told(PROFILES[profile], 4)) == 4


def test_the_dialler_says_who_it_is_and_what_it_holds() -> None:
    core = alone("bob")
    page, sums = core.handle(Connected(node("cyd"), address("cyd"), True), 1.0)
    assert page == Stream(node("cyd"), address("cyd"), RosterPage((core.roster.own.signed,), ()))
    assert isinstance(sums.message, RosterSums)
    assert core.handle(Connected(node("cyd"), address("cyd"), False), 1.0) == []


def test_many_members_that_come_at_once_are_no_news_but_begin_a_comparison() -> None:
    core = alone("bob")
    heard(core, RosterPage(tuple(signed(f"n{number}") for number in range(40)), (accusation("ada"),)))
    effects = core.handle(Tick(), 1.2)
    assert [type(effect.message) for effect in effects if isinstance(effect, Send)].count(RosterSums) == 1
    told = [piece for effect in effects if isinstance(effect, Send) for piece in getattr(effect.message, "news", ())]
    assert set(told) == {core.roster.own.signed}
    assert core.roster.own.claim.counter == 1


def test_who_answers_over_a_stream_only_is_degraded_and_not_suspected() -> None:
    core = alone("bob")
    steps = [core.handle(Tick(), core.deadline()) for _ in range(2)]
    (knock,) = [
        e.message for effects in steps for e in effects if isinstance(e, Stream) and isinstance(e.message, Knock)
    ]
    assert heard(core, Open(knock.probe), by="bob", now=1.2) == []
    said = [effect.name for effect in core.handle(Tick(), core.deadline()) if isinstance(effect, Emit)]
    assert (said, core.planes.failing(node("bob"))) == (["member.degraded"], "datagrams")
    assert heard(core, Knock(5), by="bob") == [Stream(node("bob"), address("bob"), Open(5))]


def test_a_member_to_which_no_stream_can_be_opened_is_degraded_until_one_is() -> None:
    core = alone("bob")
    (told,) = core.handle(DialFailed(address("bob"), "no answer"), 1.0)
    assert (told.name, told.about["plane"]) == ("member.degraded", "streams")
    (told,) = core.handle(Connected(node("bob"), address("bob"), False), 2.0)
    assert told.name == "member.whole"


def test_a_member_whose_streams_fail_is_asked_over_one_with_each_probe_until_it_answers_there() -> None:
    core = alone("bob")
    core.handle(DialFailed(address("bob"), "no answer"), 0.1)
    effects = core.handle(Tick(), core.deadline())
    (knock,) = [effect.message for effect in effects if isinstance(effect, Stream)]
    assert isinstance(knock, Knock)
    (told,) = heard(core, Open(knock.probe), by="bob")
    assert isinstance(told, Emit)
    assert (told.name, core.planes.failing(node("bob"))) == ("member.whole", "")


def test_a_stream_that_ends_has_the_member_probed_and_dialled_and_a_refusal_makes_it_a_suspect() -> None:
    core = alone("bob")
    dial, ping = core.handle(Disconnected(node("bob")), 1.0)
    assert (dial, type(ping.message)) == (Dial(address("bob")), Ping)
    effects = core.handle(DialFailed(address("bob"), "refused", refused=True), 1.1)
    assert "member.suspect" in [effect.name for effect in effects if isinstance(effect, Emit)]


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
