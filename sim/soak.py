"""Swarm after swarm, on all cores, for as long as one likes; what fails is shrunk at once.

Invariant: the outcome of a seed depends on the seed alone; a seed is begun only while there is time, and what was begun is
finished.
"""

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import count, takewhile

from msgspec import Struct
from msgspec.structs import replace

from sim.processes import crew
from sim.run import run
from sim.scenario import Scenario
from sim.shrink import Runner, Shrunk, shrink
from sim.swarm import swarm

TRIES = 80.0  # Runs like it per failure: a soak is there to find the next one; `mesh-sim shrink` goes on from here.

Maker = Callable[[int], Scenario]


class Soaked(Struct, frozen=True):
    """One seed and what failed. A failure is told twice: as soon as it is seen, and with what it was shrunk to in `small`.

    `shrinks`: it can be shrunk; not so where it broke the simulator itself.
    """

    seed: int
    nodes: int
    sim_s: float
    messages: int
    failures: tuple[str, ...]
    shrinks: bool = False
    small: Shrunk | None = None


class Hunter(Struct, frozen=True):
    """How seeds are run: what makes their scenarios, what runs them, and how many runs a failure may cost."""

    make: Maker = swarm
    run_one: Runner = run
    tries: float = TRIES

    def hunt(self, seed: int) -> Soaked:
        """Run the scenario of one seed with that seed."""
        scenario = self.make(seed)
        gc.collect()  # Meshes are rings of parts that know each other: in an hour they would be gigabytes.
        try:
            report = self.run_one(scenario, seed)
        except Exception as error:  # A soak goes on; the seed shows it again.
            said = f"the simulator broke: {type(error).__name__}: {error}"
            return Soaked(seed, scenario.nodes, 0.0, 0, (said,))
        failures = report.failures
        return Soaked(seed, scenario.nodes, report.sim_s, report.messages, failures, shrinks=not report.passed)

    def shrink(self, soaked: Soaked) -> Soaked:
        """The same with what it was shrunk to."""
        return replace(soaked, small=shrink(self.make(soaked.seed), soaked.seed, self.run_one, self.tries))


def soak(first: int, jobs: int, goes_on: Callable[[], bool], hunter: Hunter) -> Iterator[Soaked]:
    """Seeds from `first` upwards, `jobs` at once, while `goes_on()`; each as soon as it is done, and failures again when shrunk."""
    seeds = takewhile(lambda _: goes_on(), count(first))
    yield from _alone(seeds, hunter) if jobs <= 1 else _together(seeds, jobs, hunter)


def _alone(seeds: Iterator[int], hunter: Hunter) -> Iterator[Soaked]:
    for seed in seeds:
        soaked = hunter.hunt(seed)
        yield soaked
        if soaked.shrinks:
            yield hunter.shrink(soaked)


def _together(seeds: Iterator[int], jobs: int, hunter: Hunter) -> Iterator[Soaked]:
    with crew(jobs) as pool:
        running: set[Future[Soaked]] = {
            pool.submit(hunter.hunt, seed) for _, seed in zip(range(jobs), seeds, strict=False)
        }
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            found = sorted((future.result() for future in done), key=lambda soaked: soaked.seed)
            yield from found
            shrinking = [soaked for soaked in found if soaked.shrinks and soaked.small is None]
            running |= {pool.submit(hunter.shrink, soaked) for soaked in shrinking}
            free = max(0, jobs - len(running))
            running |= {pool.submit(hunter.hunt, seed) for _, seed in zip(range(free), seeds, strict=False)}
