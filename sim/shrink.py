"""A failing run, made as small as it can be and still fail in the same way.

Time is cut first, at the moment when the failure was seen; then time, faults, nodes, work and world have a step each in turn, so
that all that follows is cheap. What was cheap counts as little: work is measured in node-seconds.

Invariant: what is returned was run, and showed the first symptom of the run that it was made from; nothing simpler that was tried
did.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial

import msgspec
from msgspec import Struct

from mesh.errors import UsageError
from sim.report import Report
from sim.run import run
from sim.scenario import Scenario, check_scenario
from sim.simpler import PASSES, Pass, over_at
from sim.symptoms import symptom, symptoms

Runner = Callable[[Scenario, int], Report]
SEEDS_PER_TRY = 3  # Another world draws other lots: the same fault may need another seed there.
TRIES = 300.0  # Runs like the first one.
RUN_LEAST = 0.02  # Of the first one: what even the smallest run costs.

_SEEN = re.compile(r"at (\d+(?:\.\d+)?) s ")
_encode = msgspec.json.Encoder(order="deterministic").encode


class Shrunk(Struct, frozen=True):
    """The smallest run found, after how many runs, and their work in runs like the first. `whole`: nothing was left to try."""

    scenario: Scenario
    seed: int
    symptom: str
    report: Report
    tries: int
    spent: float
    whole: bool


class _OutOfTries(Exception):
    """No more runs are allowed."""


class Shrinker:
    """Looks for smaller runs with one symptom."""

    def __init__(self, report: Report, scenario: Scenario, run_one: Runner, tries: float) -> None:
        self.scenario, self.seed, self.report = scenario, report.seed, report
        self.symptom = symptom(report.failures[0])
        self.tries, self.spent = 0, 0.0
        self._run, self._spent_max, self._first = run_one, tries, _size(scenario)
        self._tried: set[bytes] = set()

    def shrink(self, tell: Callable[[Scenario], None]) -> bool:
        """Take simpler scenarios until none shows the symptom; `tell` hears of each taken. False: it ran out of tries.

        Other seeds have their turn only where nothing fails with the one that did.
        """
        try:
            while any(self._take_turns(seed, tell) for seed in self._seeds()):
                pass
        except _OutOfTries:
            return False
        return True

    def _take_turns(self, seed: int, tell: Callable[[Scenario], None]) -> bool:
        """A step of each pass in turn, as long as there are any that get on. Returns whether anything was taken."""
        steps, taken = [self._over_when_seen, *PASSES], False
        while steps:
            steps = [simpler for simpler in steps if self._step(simpler, seed, tell)]
            taken = taken or bool(steps)
        return taken

    def _step(self, simpler: Pass, seed: int, tell: Callable[[Scenario], None]) -> bool:
        """Take the first of what a pass offers that fails with this seed. Returns whether there was one."""
        if not any(self._fails(candidate, seed) for candidate in simpler(self.scenario)):
            return False
        tell(self.scenario)
        return True

    def _over_when_seen(self, scenario: Scenario) -> Iterator[Scenario]:
        """Over when it was seen; what comes after that can't have been the reason."""
        told = next(failure for failure in self.report.failures if symptom(failure) == self.symptom)
        seen = _SEEN.match(told)
        return over_at(scenario, float(seen[1])) if seen else iter(())

    def _fails(self, candidate: Scenario, seed: int) -> bool:
        """Run a candidate; where it fails in the same way, it is the new scenario."""
        key = _encode((candidate, seed))
        if key in self._tried:
            return False
        self._tried.add(key)
        try:
            check_scenario(candidate, "a simpler scenario")
            return self._fails_with(candidate, seed)
        except UsageError:  # It makes no sense, or a file that it names does not fit it.
            return False

    def _seeds(self) -> list[int]:
        return list(dict.fromkeys([self.seed, *range(1, SEEDS_PER_TRY)]))

    def _fails_with(self, candidate: Scenario, seed: int) -> bool:
        cost = max(RUN_LEAST, _size(candidate) / self._first)
        if self.spent + cost > self._spent_max:
            raise _OutOfTries
        self.tries, self.spent = self.tries + 1, self.spent + cost
        report = self._run(candidate, seed)
        if self.symptom not in symptoms(report.failures):
            return False
        self.scenario, self.seed, self.report = candidate, seed, report
        return True


def shrink(
    scenario: Scenario,
    seed: int,
    run_one: Runner = run,
    tries: float = TRIES,
    tell: Callable[[Scenario], None] | None = None,
) -> Shrunk:
    """The smallest scenario found that fails as `scenario` does with `seed`, after the work of at most `tries` runs like that.

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
    return Shrunk(found, shrinker.seed, shrinker.symptom, shrinker.report, shrinker.tries, shrinker.spent, whole)


def _size(scenario: Scenario) -> float:
    """What a run costs, in node-seconds."""
    return scenario.nodes * scenario.seconds


def _ignore(scenario: Scenario) -> None:
    """Nobody wants to hear of it."""
