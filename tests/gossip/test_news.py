"""News leaves a bounded number of times, and only the newest piece about each member."""

import math

from hypothesis import given
from hypothesis import strategies as st

from mesh.gossip.news import ACCUSATION_BYTES, CLAIM_BYTES, PIGGYBACK_BYTES, NewsQueue
from mesh.messages import Accusation
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
