"""What a node owes its units: bring each to its desired state, one action at a time, and try again after errors.

The configuration says which units are wanted here and how (`UnitWanted`, `UnitUnwanted`); the driver host says what became
of each action (`UnitReported`, `UnitRetired`). The difference of the two is closed as a controller does.

Invariant: a unit has at most one outstanding action, and every moment it waits for is in `deadline()`.
"""

from collections.abc import Mapping
from math import inf
from random import Random

from msgspec import Struct

from mesh.model.lifecycle import ERRORS, Action, UnitState, way
from mesh.model.resolve import UnitSpec

RETRY_S_MIN = 1.0  # A device that was only busy is back at once.
RETRY_S_MAX = 60.0  # A device that was mended is noticed within a minute, and a dead one costs nothing.
RETRY_JITTER = 0.25  # Units that fell together (a power cut of their crate) do not come back together.
STEADY_S = 60.0  # After this long in its desired state a unit's earlier failures are forgotten.


class UnitWanted(Struct, frozen=True, tag="unit-wanted"):
    """This node is to run `unit` and to bring it to `desired`. Said again, it changes what is wanted."""

    unit: str
    desired: UnitState
    spec: UnitSpec


class UnitUnwanted(Struct, frozen=True, tag="unit-unwanted"):
    """This node is not to run `unit` any more: it was buried, or moved to another host."""

    unit: str


class UnitReported(Struct, frozen=True, tag="unit-reported"):
    """`unit` is in `state` now. `performed` is the action that this answers; None if it happened by itself.

    A non-empty `error` says what went wrong; the state may be any.
    """

    unit: str
    state: UnitState
    error: str = ""
    performed: Action | None = None


class UnitRetired(Struct, frozen=True, tag="unit-retired"):
    """The host has stopped, deinitialized and forgotten `unit`."""

    unit: str


class Tick(Struct, frozen=True, tag="tick"):
    """The deadline has come."""


Event = UnitWanted | UnitUnwanted | UnitReported | UnitRetired | Tick


class Adopt(Struct, frozen=True, tag="adopt"):
    """Host `unit` from now on; if it is hosted already, `spec` counts from its next `init` on, as in !CHAOS."""

    unit: str
    spec: UnitSpec


class Perform(Struct, frozen=True, tag="perform"):
    """Do `action` on `unit` and report. `run_id` is that of the run that the unit is in, or that a start begins."""

    unit: str
    action: Action
    run_id: int


class Retire(Struct, frozen=True, tag="retire"):
    """Stop and deinitialize `unit`, forget it, and report that."""

    unit: str


Effect = Adopt | Perform | Retire


class _Charge:
    """One unit in this node's care."""

    def __init__(self, desired: UnitState, spec: UnitSpec, run_id: int) -> None:
        self.desired = desired
        self.spec = spec
        self.run_id = run_id
        self.state = UnitState.DEINIT
        self.wanted = True
        self.outstanding: Action | None = None
        self.retiring = False  # A Retire is outstanding.
        self.failures = 0
        self.retry_at = -inf
        self.steady_since = inf

    @property
    def busy(self) -> bool:
        return self.retiring or self.outstanding is not None

    @property
    def waiting(self) -> bool:
        """Whether only the passing of time keeps this unit from its next action."""
        return self.wanted and not self.busy and way(self.state, self.desired) is not None


class Supervision:
    """Closes the difference between the desired and the actual state of this node's units.

    `run_ids` are the last run ids of units known from an earlier life; a unit not in it begins with 1.
    """

    def __init__(self, rng: Random, run_ids: Mapping[str, int]) -> None:
        self._rng = rng
        self._run_ids = dict(run_ids)
        self._charges: dict[str, _Charge] = {}

    def deadline(self) -> float:
        return min((charge.retry_at for charge in self._charges.values() if charge.waiting), default=inf)

    def handle(self, event: Event, now: float) -> list[Effect]:
        match event:
            case UnitWanted(unit, desired, spec):
                return self._on_wanted(unit, desired, spec, now)
            case UnitUnwanted(unit):
                return self._on_unwanted(unit, now)
            case UnitReported():
                return self._on_reported(event, now)
            case UnitRetired(unit):
                return self._on_retired(unit, now)
            case Tick():
                return [effect for unit in list(self._charges) for effect in self._advance(unit, now)]

    def wanted(self) -> list[str]:
        """The units that this node is to run, sorted."""
        return sorted(unit for unit, charge in self._charges.items() if charge.wanted)

    def run_id(self, unit: str) -> int:
        """The unit's newest run id; 0 before its first start."""
        return self._run_ids.get(unit, 0)

    def check(self) -> None:
        for unit, charge in self._charges.items():
            assert not (charge.retiring and charge.outstanding), f"{unit}: {charge.outstanding} beside a Retire"
            assert charge.wanted or charge.busy, f"{unit} is kept, though nobody wants it and nothing is outstanding"
            assert charge.desired not in ERRORS, f"{unit} is wanted in {charge.desired.name}"
            assert charge.run_id <= self.run_id(unit), f"{unit}: run {charge.run_id} is not remembered"

    def _on_wanted(self, unit: str, desired: UnitState, spec: UnitSpec, now: float) -> list[Effect]:
        charge = self._charges.get(unit)
        if charge is None:
            self._charges[unit] = _Charge(desired, spec, self.run_id(unit))
            return [Adopt(unit, spec), *self._advance(unit, now)]
        if desired != charge.desired or not charge.wanted:
            charge.failures, charge.retry_at = 0, now  # A person has decided: do not let them wait.
        news = spec != charge.spec and not charge.retiring
        charge.desired, charge.spec, charge.wanted = desired, spec, True
        return [*([Adopt(unit, spec)] if news else []), *self._advance(unit, now)]

    def _on_unwanted(self, unit: str, now: float) -> list[Effect]:
        charge = self._charges.get(unit)
        if charge is None:
            return []
        charge.wanted = False
        return self._advance(unit, now)

    def _on_reported(self, report: UnitReported, now: float) -> list[Effect]:
        charge = self._charges.get(report.unit)
        if charge is None or charge.retiring:
            return []  # It is on its way out: only the end of that matters.
        charge.state = report.state
        if report.performed is not None and report.performed == charge.outstanding:
            charge.outstanding = None
        if report.error or report.state in ERRORS:
            self._note_failure(charge, now)
        elif report.state == charge.desired:
            charge.steady_since = min(charge.steady_since, now)
        return self._advance(report.unit, now)

    def _on_retired(self, unit: str, now: float) -> list[Effect]:
        charge = self._charges.pop(unit, None)
        if charge is None or not charge.wanted:
            return []
        return self._on_wanted(unit, charge.desired, charge.spec, now)  # Wanted again in the meantime: begin anew.

    def _note_failure(self, charge: _Charge, now: float) -> None:
        if now - charge.steady_since >= STEADY_S:
            charge.failures = 0
        charge.failures += 1
        charge.steady_since = inf
        charge.retry_at = now + self._pause_s(charge.failures)

    def _pause_s(self, failures: int) -> float:
        pause = RETRY_S_MIN * 2.0 ** min(failures - 1, 10) * self._rng.uniform(1 - RETRY_JITTER, 1 + RETRY_JITTER)
        return min(RETRY_S_MAX, max(RETRY_S_MIN, pause))

    def _advance(self, unit: str, now: float) -> list[Effect]:
        charge = self._charges[unit]
        if charge.busy:
            return []
        if not charge.wanted:
            charge.retiring = True
            return [Retire(unit)]
        action = way(charge.state, charge.desired)
        if action is None or now < charge.retry_at:
            return []
        charge.outstanding = action
        if action is Action.START:
            charge.run_id = self._run_ids[unit] = self.run_id(unit) + 1
        return [Perform(unit, action, charge.run_id)]
