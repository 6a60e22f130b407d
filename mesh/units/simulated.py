"""A control unit without a device: its values follow their setpoints, so that a page has something to show.

Invariant: every unit's values move, inside their limits; the same unit, cycles and setpoints give the same values anywhere.
"""

import hashlib
import math
from random import Random

from mesh.errors import UsageError
from mesh.model.dataset import Attribute
from mesh.model.quantity import number
from mesh.model.resolve import UnitSpec
from mesh.units.driver import RecoverableError, Values
from mesh.units.signal import Signal, signal_of

DRIFT_NAME = "simulated_signal"  # For units with no attribute that could move.
DRIFT_PERIOD_CYCLES = 120  # Two minutes at the usual cycle of one second.
COMMANDS = ("set", "trip", "crash")


class SimulatedDriver:
    """The driver of a simulated unit. Commands: `set` (setpoints), `trip` (recoverable error), `crash` (fatal error)."""

    def __init__(self, spec: UnitSpec) -> None:
        self._unit = spec.unit
        self._signals: dict[str, Signal] = {}
        self._echoed: Values = {}
        self._setpoints: dict[str, float] = {}
        self._values: dict[str, float] = {}
        self._drifts = False
        self._cycle = 0
        self._fault: Exception | None = None

    async def init(self, spec: UnitSpec) -> None:
        """Every setpoint at its default, every readback there too."""
        found = {name: signal_of(name, attribute) for name, attribute in sorted(spec.attributes.items())}
        self._signals = {name: signal for name, signal in found.items() if signal is not None}
        self._echoed = {name: _echo(spec.attributes[name]) for name, signal in found.items() if signal is None}
        self._setpoints = {name: signal.default for name, signal in self._signals.items()}
        self._values = dict(self._setpoints)
        self._drifts = not any(signal.moves for signal in self._signals.values())
        self._fault = None

    async def start(self) -> None:
        """Nothing to do: the cycles begin."""

    async def stop(self) -> None:
        """Nothing to do: the cycles end."""

    async def deinit(self) -> None:
        """Nothing to close."""

    async def recover(self) -> None:
        """The fault goes."""
        self._fault = None

    async def cycle(self) -> Values:
        """One step of every signal. Raises the fault that a command asked for."""
        if self._fault is not None:
            raise self._fault
        self._cycle += 1
        rng = Random(_seed(self._unit, self._cycle))
        for name, signal in self._signals.items():
            self._values[name] = signal.follow(self._values[name], self._setpoints[name], rng)
        return self._outputs(rng)

    async def set_inputs(self, inputs: Values) -> None:
        """New setpoints, all of them or, with UsageError, none."""
        checked = {name: self._checked(name, value) for name, value in inputs.items() if name not in self._echoed}
        self._setpoints |= checked
        self._echoed |= {name: value for name, value in inputs.items() if name in self._echoed}

    async def command(self, alias: str, parameters: Values) -> object:
        """`set` with setpoints as parameters; `trip` and `crash` make the next cycle fail."""
        match alias:
            case "set":
                await self.set_inputs(parameters)
            case "trip":
                self._fault = RecoverableError(str(parameters.get("reason", "tripped by command")))
            case "crash":
                self._fault = RuntimeError(str(parameters.get("reason", "crashed by command")))
            case _:
                raise UsageError(
                    f"{self._unit} has no command {alias!r}",
                    field="alias",
                    rule="one of " + ", ".join(COMMANDS),
                    todo="choose one of them: this unit is simulated",
                )
        return {"accepted": alias}

    def _outputs(self, rng: Random) -> Values:
        outputs: Values = {name: signal.shown(self._values[name]) for name, signal in self._signals.items()}
        outputs |= self._echoed
        if self._drifts:
            phase = 2 * math.pi * (self._cycle / DRIFT_PERIOD_CYCLES + _seed(self._unit, 0) / 2**64)
            outputs[DRIFT_NAME] = round(math.sin(phase) + rng.gauss(0.0, 0.01), 4)
        return outputs

    def _checked(self, name: str, value: object) -> float:
        signal, wanted = self._signals.get(name), number(value)
        if signal is None:
            raise UsageError(
                f"{self._unit} has no input {name!r}",
                field=name,
                rule="an attribute of the unit",
                todo=f"choose one of {', '.join([*self._signals, *self._echoed]) or 'none: it has no inputs'}",
            )
        if wanted is None or not signal.low <= wanted <= signal.high:
            raise UsageError(
                f"{name} of {self._unit} cannot be {value!r}",
                field=name,
                rule=f"a number from {signal.low:g} to {signal.high:g}",
                todo="give a value inside the limits, or change the limits of the attribute",
            )
        return float(wanted)


def _seed(unit: str, cycle: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{unit}\0{cycle}".encode()).digest()[:8], "big")


def _echo(attribute: Attribute) -> object:
    return "" if attribute.default is None else attribute.default
