"""Slices: a large message in pieces that say the same."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.crdt.batch import Batch
from mesh.crdt.board import SignedDelta
from mesh.messages import Batches, Boards, Gossip
from mesh.runtime.slices import BATCHES_MAX, BYTES_MAX, DELTAS_MAX, slices

sizes = st.lists(st.integers(0, 2 * BYTES_MAX), max_size=40)


@given(sizes, st.booleans(), st.integers(0, 9))
def test_pieces_of_batches_say_the_same_and_only_the_last_asks_for_more(
    lengths: list[int], more: bool, session: int
) -> None:
    batches = tuple(Batch(bytes(length), b"signed") for length in lengths)
    pieces = list(slices(Batches(batches, (b"certificate",), more, session)))
    assert tuple(batch for piece in pieces for batch in piece.batches) == batches
    assert [piece.certificates for piece in pieces] == [(b"certificate",), *((),) * (len(pieces) - 1)]
    assert [(piece.more, piece.session) for piece in pieces] == [(False, 0)] * (len(pieces) - 1) + [(more, session)]
    for piece in pieces:
        assert len(piece.batches) <= BATCHES_MAX
        assert len(piece.batches) <= 1 or sum(len(batch.content) for batch in piece.batches) <= BYTES_MAX


@given(st.integers(0, 40), st.booleans())
def test_pieces_of_boards_say_the_same(count: int, more: bool) -> None:
    deltas = tuple(SignedDelta(bytes([number]), b"signed") for number in range(count))
    pieces = list(slices(Boards(deltas, more)))
    assert tuple(delta for piece in pieces for delta in piece.deltas) == deltas
    assert [piece.more for piece in pieces] == [False] * (len(pieces) - 1) + [more]
    assert all(len(piece.deltas) <= DELTAS_MAX for piece in pieces)


def test_other_messages_are_whole() -> None:
    assert list(slices(Gossip(()))) == [Gossip(())]
