"""Swarm after swarm, on all cores, for as long as one likes; what fails is shrunk at once.

Invariant: the outcome of a seed depends on the seed alone; a seed is begun only while there is time, and what was begun is
finished.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import count, takewhile
from multiprocessing import get_context

from msgspec import Struct

from sim.run import run
from sim.scenario import Scenario
from sim.shrink import Runner, Shrunk, shrink
from sim.swarm import swarm

TRIES = 80  # Runs per failure: a soak is there to find the next one; `mesh-sim shrink` goes on from here.

Maker = Callable[[int], Scenario]


class Soaked(Struct, frozen=True):
    """One seed: what failed, and what it was shrunk to. `small` is None where it passed, or broke the simulator itself."""

    seed: int
    nodes: int
    sim_s: float
    messages: int
    failures: tuple[str, ...]
    small: Shrunk | None


def hunt(seed: int, make: Maker = swarm, run_one: Runner = run, tries: int = TRIES) -> Soaked:
    """Run the swarm's scenario of one seed with that seed, and shrink it if it fails."""
    scenario = make(seed)
    try:
        report = run_one(scenario, seed)
        small = None if report.passed else shrink(scenario, seed, run_one, tries)
    except Exception as error:  # A soak goes on; the seed shows it again.
        said = f"the simulator broke: {type(error).__name__}: {error}"
        return Soaked(seed, scenario.nodes, 0.0, 0, (said,), None)
    return Soaked(seed, scenario.nodes, report.sim_s, report.messages, report.failures, small)


def soak(
    first: int, jobs: int, goes_on: Callable[[], bool], hunt_one: Callable[[int], Soaked] = hunt
) -> Iterator[Soaked]:
    """Seeds from `first` upwards, `jobs` at once, while `goes_on()`; each as soon as it is done."""
    seeds = takewhile(lambda _: goes_on(), count(first))
    if jobs <= 1:
        yield from map(hunt_one, seeds)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        running: set[Future[Soaked]] = {
            pool.submit(hunt_one, seed) for _, seed in zip(range(jobs), seeds, strict=False)
        }
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from sorted((future.result() for future in done), key=lambda soaked: soaked.seed)
            running |= {pool.submit(hunt_one, seed) for _, seed in zip(range(len(done)), seeds, strict=False)}
