"""Many seeds of one scenario, over several processes.

Invariant: the outcome of a seed does not depend on the process that ran it, and outcomes come in the order of the seeds.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from sim.processes import crew
from sim.report import Report
from sim.run import run
from sim.scenario import Scenario


def sweep(scenario: Scenario, seeds: Sequence[int], jobs: int) -> Iterator[Report]:
    """Run every seed; at most `jobs` at once."""
    if jobs <= 1:
        yield from map(partial(run, scenario), seeds)
        return
    with crew(min(jobs, len(seeds))) as pool:
        yield from pool.map(partial(run, scenario), seeds)
