"""Reconcile where there are many writers: sums by bucket, pages, and what gets lost on the way."""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.crdt.sums import EVERYTHING
from mesh.errors import MalformedMessage
from mesh.events import Received
from mesh.gossip.reconcile import FEW, pages
from mesh.ids import BatchHash, Head, WriterId
from mesh.messages import HEADS_MAX, Batches, Heads, HeadSums, Message, VersionSums
from mesh.wire import encode_frame
from tests.gossip.circle import address, node
from tests.gossip.sides import Side, talk
from tests.gossip.writers import NAMES, PENS, give, kinds, peers, sent, size


def test_of_many_writers_only_those_that_differ_are_named() -> None:
    one, two = peers(2, mine=["w3"], yours=["w7"])
    assert len(NAMES) > FEW
    spoken = talk(one, two)
    assert kinds(spoken) == [HeadSums, Heads, Heads, Batches, Batches]
    named = {head.writer for _, said in spoken if isinstance(said.message, Heads) for head in said.message.heads}
    assert {PENS["w3"].writer, PENS["w7"].writer} <= named
    assert len(named) < len(NAMES) / 2
    assert one.site.log() == two.site.log()
    assert one.digests() == two.digests()


def test_equal_peers_with_many_writers_say_sums_and_nothing_more() -> None:
    one, two = peers(1)
    spoken = talk(one, two)
    assert kinds(spoken) == [HeadSums, Heads]
    assert size(spoken) < 400
    assert not one.core.progress()


def test_what_is_not_named_of_the_own_writer_is_known_to_be_equal() -> None:
    one, two = peers(1, yours=["w7"])
    talk(one, two)
    assert one.own[-1] is None
    pen = PENS["w7"]
    assert pen.writer not in (one.ledger.writer, two.ledger.writer)


def test_heads_beyond_a_page_come_in_pages_and_each_speaks_of_its_own_span() -> None:
    heads = tuple(
        Head(WriterId(number.to_bytes(2, "big") * 8), 1, BatchHash(bytes(32))) for number in range(2 * HEADS_MAX + 5)
    )
    found = list(pages(heads, EVERYTHING))
    assert [len(some) for _, some in found] == [HEADS_MAX, HEADS_MAX, 5]
    assert all(len(encode_frame(Heads(some, True, span))) < 4 * 1024 * 1024 for span, some in found)
    for head in (heads[0], heads[HEADS_MAX - 1], heads[HEADS_MAX], heads[-1]):
        assert [head in some for _, some in found] == [span.covers(head.writer) for span, _ in found]


def test_all_heads_of_a_writer_stand_on_one_page() -> None:
    writer = [WriterId(number.to_bytes(2, "big") * 8) for number in range(HEADS_MAX + 1)]
    heads = tuple(Head(w, 1, BatchHash(bytes(32))) for w in writer[:-2])
    twice = tuple(Head(writer[-2], number, BatchHash(bytes(32))) for number in range(3))
    found = list(pages((*heads, *twice), EVERYTHING))
    assert [len(some) for _, some in found] == [HEADS_MAX - 1, 3]


@pytest.mark.parametrize("message", [HeadSums(bytes(24), 1, 3), HeadSums(bytes(9), 1, 3), VersionSums(bytes(12))])
def test_sums_that_nobody_makes_are_malformed(message: Message) -> None:
    with pytest.raises(MalformedMessage):
        Side("a").handle(Received(node("b"), address("b"), message))


differences = st.lists(st.tuples(st.integers(0, 39), st.booleans(), st.integers(1, 30)), max_size=30)


@given(differences, st.integers(0, 2**32), st.floats(0.0, 0.4))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_peers_converge_whatever_is_lost_and_however_often_they_are_cut(
    apart: list[tuple[int, bool, int]], seed: int, loss: float
) -> None:
    one, two = Side("a"), Side("b")
    for place, mine, count in apart:
        give(one if mine else two, NAMES[place], 0, count)
    chance = Random(seed)
    for _ in range(4):
        talk(one, two, lambda: chance.random() >= loss)
        one.part(two)
        two.part(one)
    talk(one, two)
    assert one.site.log() == two.site.log()
    assert one.digests() == two.digests()


@given(differences)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_differs_is_sent_once_and_hardly_anything_beside_it(apart: list[tuple[int, bool, int]]) -> None:
    one, two = Side("a"), Side("b")
    for name in NAMES:
        for side in (one, two):
            give(side, name, 0, 5)
    for place, mine, count in apart:
        give(one if mine else two, NAMES[place], 5, 5 + count)
    before = set(one.site.log()) ^ set(two.site.log())
    spoken = talk(one, two)
    batches = sent(spoken)
    common = [NAMES[place] for place, _, _ in apart]
    assert len(batches) == len(set(batches)) <= len(before)
    assert size(spoken) <= 1_500 + 400 * len(set(common)) + sum(2 * len(batch.content) for batch in batches)
    assert one.digests() == two.digests()
