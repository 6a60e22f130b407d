"""Stamps only grow, whatever the machine's clock does."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mesh.crdt.clock import SKEW_MS_MAX, HybridClock, seconds_of, stamp_of

moments = st.floats(0, 4e9)


@given(st.lists(st.tuples(st.booleans(), moments, moments), max_size=20))
def test_stamps_given_out_only_grow_and_exceed_all_that_was_merged(steps: list[tuple[bool, float, float]]) -> None:
    clock, given_out, highest = HybridClock(), [0], 0
    for merges, now, other in steps:
        if merges and clock.merge(stamp_of(other), now):
            highest = max(highest, stamp_of(other))
        given_out.append(clock.tick(now))
        assert given_out[-1] > highest
    assert all(before < after for before, after in pairwise(given_out))


@given(moments, st.integers(-100, 100))
def test_a_clock_is_dragged_along_up_to_the_bound_and_not_beyond(now: float, beyond_ms: int) -> None:
    clock = HybridClock()
    stamp = stamp_of(now) + ((SKEW_MS_MAX + beyond_ms) << 16)
    assert clock.merge(stamp, now) == (beyond_ms <= 0)
    assert (clock.newest == stamp) == (beyond_ms <= 0)


@given(moments)
def test_a_stamp_tells_its_moment_to_the_millisecond(now: float) -> None:
    assert abs(seconds_of(stamp_of(now)) - now) <= 0.002
