"""A round: everybody once, in an order that no list keeps."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from mesh.gossip.rounds import Round


@given(st.integers(0, 300), st.integers(0, 2**32))
def test_each_place_is_visited_once(count: int, seed: int) -> None:
    way = Round(count, Random(seed))
    assert sorted(place for _ in range(count) if (place := way.step()) is not None) == list(range(count))
    assert way.step() is None


def test_rounds_go_different_ways() -> None:
    rng = Random(1)
    ways = [Round(101, rng) for _ in range(20)]
    assert len({tuple(way.step() for _ in range(101)) for way in ways}) == 20
