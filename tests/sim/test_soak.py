"""A soak runs seed after seed while there is time, and shrinks what fails.

Invariant: time is counted in seeds here; the scenarios of the planted fault are small.
"""

import gc
from collections.abc import Callable
from itertools import count

from sim.experiments.worlds import quiet
from sim.node import Node
from sim.report import Report
from sim.scenario import Scenario
from sim.soak import Hunter, soak
from tests.sim.mesh import scenario

LIAR = {"kind": "lying-disk", "at_s": 6}
CALM = {"kind": "reset-streams", "at_s": 6}


def small(seed: int) -> Scenario:
    """Every third seed has a disk that lies."""
    faults = [CALM, *([LIAR] if seed % 3 == 0 else [])]
    work = {"writes_per_s": 2.0, "settle_s": 5.0}
    return scenario(nodes=3, seconds=16, workload=work, checks={"grace_s": 2, "every": 50}, faults=faults)


def so_many(seeds: int) -> Callable[[], bool]:
    """There is time for so many seeds."""
    asked = count()
    return lambda: next(asked) < seeds


def test_what_fails_is_shrunk_and_the_soak_goes_on() -> None:
    found = list(soak(1, 1, so_many(4), Hunter(small, tries=10)))
    assert [soaked.seed for soaked in found] == [1, 2, 3, 3, 4]
    assert [bool(soaked.failures) for soaked in found] == [False, False, True, True, False]
    assert found[2].small is None  # A failure is told before it is shrunk.
    shrunk = found[3].small
    assert shrunk is not None
    assert [type(fault).__name__ for fault in shrunk.scenario.faults] == ["LyingDisk"]


def test_processes_share_the_seeds_and_each_is_run_once() -> None:
    found = list(soak(1, 2, so_many(3), Hunter(small, tries=2)))
    assert sorted(soaked.seed for soaked in found) == [1, 2, 3, 3]
    alone = {soaked.seed: soaked for soaked in soak(1, 1, so_many(3), Hunter(small, tries=2))}
    assert all(soaked.failures == alone[soaked.seed].failures for soaked in found)


def broken(made: Scenario, seed: int) -> Report:
    """A simulator with a fault of its own."""
    raise ZeroDivisionError(f"seed {seed}")


def test_a_broken_simulator_is_a_failure_with_a_seed() -> None:
    soaked = Hunter(small, broken).hunt(7)
    assert soaked.failures == ("the simulator broke: ZeroDivisionError: seed 7",)
    assert not soaked.shrinks


def test_the_meshes_of_seeds_before_are_let_go() -> None:
    hunter = Hunter(make=lambda seed: quiet("Nothing happens", 5 - seed, 8.0))
    gc.collect()
    gc.disable()  # What is looked for now and then may have been found already.
    try:
        for seed in (1, 2):
            assert hunter.hunt(seed).failures == ()
    finally:
        gc.enable()
    assert sum(type(one) is Node for one in gc.get_objects()) <= 3
