"""Virtual time goes forward, in the order asked for."""

from sim.clock import Clock
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
