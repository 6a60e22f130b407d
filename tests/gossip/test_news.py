"""News leaves a bounded number of times, and only the newest piece about each member."""

import math

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mesh.gossip.news import ACCUSATION_BYTES, CLAIM_BYTES, PIGGYBACK_BYTES, NewsQueue
from mesh.messages import Accusation, Standing
from tests.gossip.circle import accusation, node, signed

names = st.sampled_from([f"n{number}" for number in range(9)])
pieces = st.builds(lambda name, is_claim: (name, signed(name) if is_claim else accusation(name)), names, st.booleans())


@given(st.lists(pieces, max_size=20), st.integers(1, 10_000))
def test_each_piece_leaves_a_bounded_number_of_times(put: list[tuple[str, object]], members: int) -> None:
    queue, sent = NewsQueue(4.0), dict.fromkeys((name for name, _ in put), 0)
    newest = dict(put)
    for name, piece in put:
        queue.put(node(name), piece)
    limit = math.ceil(4.0 * math.ceil(math.log10(members + 1)))
    for _ in range(len(newest) * limit + 1):
        for piece in queue.take(members):
            (name,) = [name for name, news in newest.items() if news == piece]  # Only the newest leaves.
            sent[name] += 1
    assert len(queue) == 0
    assert set(sent.values()) <= {limit}


@given(st.lists(pieces, max_size=30))
def test_what_leaves_at_once_fits_a_datagram(put: list[tuple[str, object]]) -> None:
    queue = NewsQueue(4.0)
    for name, piece in put:
        queue.put(node(name), piece)
    taken = queue.take(10)
    size = sum(ACCUSATION_BYTES if isinstance(piece, Accusation) else CLAIM_BYTES for piece in taken)
    assert size <= PIGGYBACK_BYTES
    assert bool(taken) == bool(put)


def test_what_was_sent_least_leaves_first() -> None:
    queue = NewsQueue(4.0)
    queue.put(node("old"), signed("old"))
    queue.take(10)
    for name in ("a", "b"):
        queue.put(node(name), signed(name))
    assert queue.take(10) == (signed("a"), signed("b"))


def test_a_newer_piece_starts_anew() -> None:
    queue = NewsQueue(1.0)
    queue.put(node("a"), accusation("a"))
    queue.put(node("a"), signed("a", counter=1))
    assert len(queue) == 1
    assert queue.take(1) == (signed("a", counter=1),)
    assert queue.take(1) == ()


@given(st.lists(st.booleans(), max_size=60), st.sampled_from([1, 50, 5_000]), st.booleans())
def test_a_piece_that_others_tell_as_well_leaves_so_many_times_less(
    steps: list[bool], members: int, is_claim: bool
) -> None:
    """A step is that the piece is heard, or that a datagram leaves."""
    queue, news = NewsQueue(4.0), signed("a") if is_claim else accusation("a")
    queue.put(node("a"), news)
    limit = math.ceil(4.0 * math.ceil(math.log10(members + 1)))
    for told, is_heard in enumerate(steps):
        left = told < limit
        assert len(queue) == left
        if is_heard:
            queue.heard(news, members)
        else:
            assert queue.take(members) == ((news,) if left else ())


def test_only_the_same_piece_counts_whoever_accused_first() -> None:
    queue, voices = NewsQueue(1.0), (node("bob"), node("cyd"))
    news = msgspec.structs.replace(accusation("a", standing=Standing.SUSPECT), voices=voices)
    queue.put(node("a"), news)
    queue.put(node("b"), signed("b", counter=2))
    for other in (
        signed("a"),
        signed("b"),
        signed("c"),
        accusation("c"),
        msgspec.structs.replace(news, voices=voices[:1]),
        msgspec.structs.replace(news, standing=Standing.DOWN),
        msgspec.structs.replace(news, counter=1),
        accusation("b", counter=2),
    ):
        queue.heard(other, 5)
    assert len(queue) == 2
    queue.heard(msgspec.structs.replace(news, accuser=node("dan")), 5)
    queue.heard(signed("b", counter=2), 5)
    assert len(queue) == 0


@given(st.integers(1, 10_000))
def test_a_piece_presses_for_half_of_its_times(members: int) -> None:
    queue, limit = NewsQueue(4.0), math.ceil(4.0 * math.ceil(math.log10(members + 1)))
    assert not queue.presses(members)
    queue.put(node("a"), signed("a"))
    pressed = 0
    while queue.presses(members):
        assert queue.take(members)
        pressed += 1
    assert pressed == limit / 2
    assert sum(bool(queue.take(members)) for _ in range(limit)) == limit - pressed


def test_where_no_claim_fits_any_more_accusations_do() -> None:
    queue, claims = NewsQueue(4.0), PIGGYBACK_BYTES // CLAIM_BYTES
    for number in range(claims + 1):
        queue.put(node(f"n{number}"), signed(f"n{number}"))
    queue.put(node("a"), accusation("a"))
    assert queue.take(10) == (*(signed(f"n{number}") for number in range(claims)), accusation("a"))
