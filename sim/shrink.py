"""A failing run, made as small as it can be and still fail in the same way.

Invariant: what is returned was run, and showed the first symptom of the run that it was made from; nothing simpler that was tried
did.
"""

from collections.abc import Callable
from functools import partial

import msgspec
from msgspec import Struct

from mesh.errors import UsageError
from sim.report import Report
from sim.run import run
from sim.scenario import Scenario, check_scenario
from sim.simpler import PASSES, Pass
from sim.symptoms import symptom, symptoms

Runner = Callable[[Scenario, int], Report]
SEEDS_PER_TRY = 3  # Another world draws other lots: the same fault may need another seed there.
TRIES = 300

_encode = msgspec.json.Encoder(order="deterministic").encode


class Shrunk(Struct, frozen=True):
    """The smallest run found, and how many runs it took. `whole`: nothing simpler was left to try."""

    scenario: Scenario
    seed: int
    symptom: str
    report: Report
    tries: int
    whole: bool


class _OutOfTries(Exception):
    """No more runs are allowed."""


class Shrinker:
    """Looks for smaller runs with one symptom."""

    def __init__(self, report: Report, scenario: Scenario, run_one: Runner, tries: int) -> None:
        self.scenario, self.seed, self.report = scenario, report.seed, report
        self.symptom = symptom(report.failures[0])
        self.tries = 0
        self._run, self._tries_max = run_one, tries
        self._tried: set[bytes] = set()

    def shrink(self, tell: Callable[[Scenario], None]) -> bool:
        """Take simpler scenarios until none shows the symptom; `tell` hears of each taken. False: it ran out of tries."""
        try:
            while sum(self._exhaust(simpler, tell) for simpler in PASSES):
                pass
        except _OutOfTries:
            return False
        return True

    def _exhaust(self, simpler: Pass, tell: Callable[[Scenario], None]) -> bool:
        """Take what one pass offers, as long as it offers something that fails. Returns whether anything was taken.

        Other seeds have their turn only where nothing fails with the one that did.
        """
        taken = False
        while any(self._fails(candidate, seed) for seed in self._seeds() for candidate in simpler(self.scenario)):
            taken = True
            tell(self.scenario)
        return taken

    def _fails(self, candidate: Scenario, seed: int) -> bool:
        """Run a candidate; where it fails in the same way, it is the new scenario."""
        key = _encode((candidate, seed))
        if key in self._tried:
            return False
        self._tried.add(key)
        try:
            check_scenario(candidate, "a simpler scenario")
        except UsageError:
            return False
        return self._fails_with(candidate, seed)

    def _seeds(self) -> list[int]:
        return list(dict.fromkeys([self.seed, *range(1, SEEDS_PER_TRY)]))

    def _fails_with(self, candidate: Scenario, seed: int) -> bool:
        if self.tries >= self._tries_max:
            raise _OutOfTries
        self.tries += 1
        report = self._run(candidate, seed)
        if self.symptom not in symptoms(report.failures):
            return False
        self.scenario, self.seed, self.report = candidate, seed, report
        return True


def shrink(
    scenario: Scenario,
    seed: int,
    run_one: Runner = run,
    tries: int = TRIES,
    tell: Callable[[Scenario], None] | None = None,
) -> Shrunk:
    """The smallest scenario found that fails as `scenario` does with `seed`, after at most `tries` runs.

    `tell` hears of every smaller one as it is found. Raises UsageError where the run passes.
    """
    report = run_one(scenario, seed)
    if not report.failures:
        raise UsageError(
            f"{scenario.name or 'the scenario'} with seed {seed} passes, so there is nothing to shrink",
            field="seed",
            todo="give the seed of a run that fails: `mesh-sim seeds` and `mesh-sim soak` name them",
        )
    shrinker = Shrinker(report, scenario, run_one, tries)
    whole = shrinker.shrink(tell or partial(_ignore))
    found = shrinker.scenario
    return Shrunk(found, shrinker.seed, shrinker.symptom, shrinker.report, shrinker.tries, whole)


def _ignore(scenario: Scenario) -> None:
    """Nobody wants to hear of it."""
