"""Recent: what was passed on lately is known by its mark, for a bounded time and in a bounded space."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.crdt.batch import Batch
from mesh.crdt.board import SignedDelta
from mesh.gossip.recent import BYTES_MAX, ITEMS_MAX, KEPT_S, Recent, mark_of


def delta(number: int, size: int = 10) -> SignedDelta:
    return SignedDelta(number.to_bytes(size, "big"), b"signed")


def kept(recent: Recent, number: int, now: float, size: int = 10) -> bytes:
    said = delta(number, size)
    item = recent.meet(mark_of(said), now)
    recent.keep(item, said)
    return item.mark


def test_a_mark_names_what_was_signed_and_nothing_else() -> None:
    assert mark_of(delta(1)) == mark_of(SignedDelta(delta(1).body, b"another signature"))
    assert mark_of(delta(1)) != mark_of(delta(2))
    assert mark_of(Batch(b"content", b"")) == mark_of(Batch(b"content", b"altered"))


def test_an_item_is_met_once_and_given_with_what_belongs_to_it() -> None:
    recent = Recent()
    item = recent.meet(b"12345678", 0.0)
    recent.keep(item, Batch(b"content", b"signed"), (b"certificate",))
    assert recent.meet(b"12345678", 1.0) is item is recent.get(b"12345678")
    assert item.size == len(b"contentsignedcertificate")


def test_what_is_old_makes_room() -> None:
    recent = Recent()
    old = kept(recent, 1, 0.0)
    young = kept(recent, 2, KEPT_S)
    kept(recent, 3, KEPT_S + 0.1)
    assert recent.get(old) is None
    assert recent.get(young) is not None


def test_neither_many_nor_large_items_fill_the_memory() -> None:
    recent = Recent()
    for number in range(ITEMS_MAX + 10):
        recent.meet(number.to_bytes(8, "big"), 0.0)
    recent.check()
    large = [kept(Recent() if number == 0 else recent, number, 0.0, 1024 * 1024) for number in range(12)]
    found = sum(recent.get(mark) is not None for mark in large)
    assert found <= BYTES_MAX // 1024**2 + 1
    recent.check()


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.floats(0, 4)), max_size=40))
def test_the_count_of_bytes_follows_whatever_comes(steps: list[tuple[int, bool, float]]) -> None:
    recent, now = Recent(), 0.0
    for number, keeps, wait_s in steps:
        now += wait_s
        item = recent.meet(mark_of(delta(number)), now)
        if keeps:
            recent.keep(item, delta(number))
        recent.check()


def test_what_had_to_make_room_before_it_came_takes_none() -> None:
    recent = Recent()
    item = recent.meet(mark_of(delta(1)), 0.0)
    kept(recent, 2, KEPT_S + 0.1)
    recent.keep(item, delta(1))
    recent.check()
