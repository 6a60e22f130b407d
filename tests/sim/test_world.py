"""Virtual time goes forward, in the order asked for."""

import heapq
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from sim.clock import Clock, ClockModel, made_clock
from sim.world import World


def test_things_happen_in_order_and_ties_in_the_order_asked_for() -> None:
    world, done = World(), []
    for when, name in ((2.0, "c"), (1.0, "a"), (1.0, "b"), (3.5, "late")):
        world.at(when, done.append, name)
    world.run(3.0)
    assert (done, world.now) == (["a", "b", "c"], 3.0)


def test_what_is_asked_for_in_the_past_happens_now() -> None:
    world, done = World(), []
    world.run(5.0)
    world.at(1.0, lambda name: done.append((name, world.now)), "a")
    world.run(5.0)
    assert done == [("a", 5.0)]


moments = st.floats(0.0, 0.01) | st.integers(0, 40).map(lambda number: number / 1024) | st.floats(0.0, 1e6)


@given(st.lists(st.tuples(moments, st.lists(moments, max_size=3)), max_size=20), st.lists(moments, max_size=4))
def test_it_is_a_heap_of_all_that_is_asked_for(asked: list[tuple[float, list[float]]], stops: list[float]) -> None:
    """Whatever is asked for before and while things happen, and wherever the time stands still in between."""
    world, found = World(), list[tuple[float, int]]()
    entries, wanted, numbers = list[tuple[float, int, list[float]]](), list[tuple[float, int]](), iter(range(1_000))

    def happen(what: tuple[int, list[float]]) -> None:
        found.append((world.now, what[0]))
        for after in what[1]:
            world.at(world.now + after - 0.001, happen, (next(numbers), []))

    for when, then in asked:
        number = next(numbers)
        world.at(when, happen, (number, then))
        heapq.heappush(entries, (when, number, then))
    more = iter(range(len(asked), 1_000))
    while entries:
        now, number, then = heapq.heappop(entries)
        wanted.append((now, number))
        for after in then:
            heapq.heappush(entries, (max(now, now + after - 0.001), next(more), []))
    for stop in sorted(stops):
        world.run(stop)
        assert all(when <= stop for when, _ in found)
        assert len(found) == sum(when <= stop for when, _ in wanted)
    while world.step():
        pass
    assert found == wanted


def test_what_is_asked_for_behind_a_pause_keeps_its_order() -> None:
    world, done = World(), []
    world.run(5.0)
    for when, name in ((2.0, "a"), (1.0, "b"), (5.0, "c")):
        world.at(when, done.append, name)
    world.run(5.0)
    assert done == ["a", "b", "c"]


def test_a_clock_reaches_a_deadline_at_the_moment_it_names() -> None:
    for step in range(1, 1000):
        clock = Clock(step / 7777)
        assert clock.local(clock.when(step / 3)) >= step / 3


def test_a_drifting_clock_with_a_past_reaches_a_deadline_at_the_moment_it_names() -> None:
    for step in range(1, 1000):
        clock = Clock(1e6 + step / 7777, 1.0 + (step - 500) * 1e-6)
        wanted = 1e6 + step / 3
        moment = clock.when(wanted)
        assert clock.local(moment) >= wanted
        assert clock.local(moment - 1e-6) < wanted


def test_a_clock_that_was_set_shows_it_to_the_next_process() -> None:
    clock = Clock(5.0)
    clock.jump(-3.0)
    assert clock.local(10.0) == 15.0
    clock.restart()
    assert clock.local(10.0) == 12.0


def test_paces_and_offsets_lie_within_their_model() -> None:
    clocks = [made_clock(ClockModel(2.0, 100.0, 50.0), Random(seed)) for seed in range(500)]
    shown = [clock.local(0.0) for clock in clocks]
    paces = [clock.local(1e6) - clock.local(0.0) - 1e6 for clock in clocks]
    assert 50.0 <= min(shown) < 50.1
    assert 51.9 < max(shown) <= 52.0
    assert -100.0 <= min(paces) < -95.0
    assert 95.0 < max(paces) <= 100.0
