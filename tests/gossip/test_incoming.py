"""Incoming: more is asked for when what came is stored, and nobody who only promises is waited for."""

from mesh.crdt.events import StoreFailed
from mesh.crdt.sums import EVERYTHING
from mesh.effects import Stream
from mesh.events import Tick
from mesh.gossip.incoming import LONG_BATCHES, PATIENCE_S, WANTED_MAX, WINDOW, Progress
from mesh.gossip.reconcile import Differs
from mesh.ids import BatchHash, Head, WriterId
from mesh.messages import Heads, Message
from tests.gossip.circle import address, node
from tests.gossip.sides import Side, Spoken, converse, talk
from tests.gossip.writers import NAMES, give, peers, sent


def test_a_joiner_shows_how_far_it_is_and_is_not_asked_to_pass_it_on() -> None:
    one, two = Side("a"), peers(60)[1]
    talk(one, two)
    told = [emit for emit in one.told if emit.name.startswith("reconcile.")]
    total = 60 * len(NAMES)
    assert total >= LONG_BATCHES
    assert [emit.name for emit in told] == ["reconcile.progress", "reconcile.done"]
    assert (told[0].about["have"], told[0].about["wanted"]) == (0, total)
    assert told[-1].about["have"] == total
    assert one.core.progress() is None


def promise(side: Side, liar: str, number: int = 5_000) -> list[Message]:
    """A peer is asked, and claims a head of which it sends nothing."""
    (ask, *_) = [said for said in side.meet(Side(liar)) if isinstance(said, Stream)]
    assert isinstance(ask.message, Heads)
    head = Head(WriterId(b"no such writer.."), number, BatchHash(bytes(32)))
    side.hear(liar, Heads((head,), False, EVERYTHING, ask.message.session, WINDOW))
    return [ask.message]


def test_a_peer_that_only_claims_heads_is_given_up_and_another_one_is_asked() -> None:
    one, honest = Side("a"), Side("cyd")
    promise(one, "bob")
    assert one.core.progress() == Progress(0, 5_000)
    assert one.core.catches_up_from(node("bob"))
    assert one.meet(honest) == []
    at = one.core.deadline()
    assert at == PATIENCE_S
    asked = [said for said in one.handle(Tick(), at) if isinstance(said, Stream)]
    assert [emit.name for emit in one.told][-1] == "reconcile.stalled"
    assert {said.to for said in asked} == {node("cyd")}
    assert one.core.progress() is None


def test_who_promised_and_did_not_send_is_asked_after_all_others() -> None:
    one = Side("a")
    promise(one, "bob")
    one.handle(Tick(), PATIENCE_S)
    give(two := Side("b"), "w1", 0, 1)
    for name in ("bob", "cyd", "dan"):
        one.handle(Differs(node(name), address(name), two.digests()), 20.0)
    asked = one.handle(Tick(), 21.0)
    assert asked
    assert all(said.to != node("bob") for said in asked if isinstance(said, Stream))


def test_a_second_peer_sends_nothing_while_one_is_sending_much() -> None:
    one, two = Side("a"), peers(1)[1]
    promise(one, "bob")
    answers = one.hear("b", Heads(two.ledger.durable.heads(), True, EVERYTHING, 7, WINDOW))
    (answer,) = [said.message for said in answers if isinstance(said, Stream)]
    assert isinstance(answer, Heads)
    assert answer.credit == 0
    assert [said for said in two.hear("a", answer) if isinstance(said, Stream)] == []


def test_of_two_questions_that_cross_one_is_answered() -> None:
    one, two = peers(2, mine=["w3"], yours=["w7"])
    ours, theirs = one.meet(two), two.meet(one)
    spoken = converse(one, two, ours)
    spoken += converse(two, one, theirs)
    batches = sent(spoken)
    assert len(batches) == len(set(batches)) == 20
    assert one.site.log() == two.site.log()


def test_crossing_at_the_same_moment_sends_nothing_twice() -> None:
    one, two = peers(2, mine=["w3"], yours=["w7"])
    queue = [(one, said) for said in one.meet(two)] + [(two, said) for said in two.meet(one)]
    spoken: Spoken = []
    while queue:
        speaker, said = queue.pop(0)
        if isinstance(said, Stream):
            spoken.append((speaker, said))
            hearer = two if speaker is one else one
            queue += [(hearer, answer) for answer in hearer.hear(speaker.name, said.message)]
    assert len(sent(spoken)) == len(set(sent(spoken))) == 20
    assert one.site.log() == two.site.log()


def test_a_failed_disk_asks_for_no_more_and_a_later_difference_begins_again() -> None:
    one, two = Side("a"), peers(20)[1]
    for said in one.meet(two):
        two.hear("a", said.message)
    one.handle(StoreFailed(1, "the disk is full"))
    assert one.core.deadline() == float("inf")
    talk(one, two)
    assert one.site.log() == two.site.log()


def test_what_a_liar_claims_can_still_be_shown() -> None:
    one = Side("a")
    promise(one, "bob", number=2**64 - 1)
    progress = one.core.progress()
    assert progress is not None
    assert progress.wanted == WANTED_MAX


def test_promising_again_and_again_buys_no_time() -> None:
    one = Side("a")
    (ask,) = promise(one, "bob")
    at = one.core.deadline()
    head = Head(WriterId(b"another writer.."), 9, BatchHash(bytes(32)))
    assert isinstance(ask, Heads)
    one.hear("bob", Heads((head,), False, EVERYTHING, ask.session, WINDOW), now=at / 2)
    assert one.core.deadline() == at
