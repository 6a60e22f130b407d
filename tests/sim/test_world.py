"""Virtual time goes forward, in the order asked for."""

from random import Random

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
