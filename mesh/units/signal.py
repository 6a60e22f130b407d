"""Simulated signals: what an attribute reads back, cycle by cycle.

Invariant: a value is inside its limits and of its type, and depends only on the seed, the cycles and the setpoints.
"""

import math
from math import inf
from random import Random

from msgspec import Struct

from mesh.model.dataset import Attribute
from mesh.model.quantity import INTEGERS, REALS, infer_type, number

LAG = 0.25  # Of the way to the setpoint in one cycle: a power supply settles in about ten.
NOISE = 0.005  # Of the setpoint: visible in a plot, and inside every tolerance.
INTEGER_NOISE = 0.4  # In counts: an ADC that flickers between neighbours.
SWITCH_SPAN = 8  # An integer with fewer steps is a switch or a mode, and does not flicker.
COUNT_MAX = 2.0**53  # Beyond it a float cannot count.
SIGNIFICANT_DIGITS = 6  # More is noise, and costs bytes in every board.


class Signal(Struct, frozen=True):
    """A numeric attribute: whether it counts in integers, its limits (infinite where there are none), its first setpoint."""

    name: str
    integer: bool
    low: float
    high: float
    default: float

    @property
    def moves(self) -> bool:
        """Whether its readback is ever seen to change while nobody touches the setpoint."""
        return self.high - self.low >= SWITCH_SPAN if self.integer else self.high > self.low

    def follow(self, value: float, setpoint: float, rng: Random) -> float:
        """The value one cycle later: nearer to the setpoint, plus noise, inside the limits."""
        target = value + LAG * (setpoint - value)
        if self.moves:
            target = self.clamp(target + rng.gauss(0.0, self._noise(setpoint)))
        return target

    def shown(self, value: float) -> int | float:
        """The value as the unit publishes it."""
        if self.integer:
            return round(self.clamp(value))
        return self.clamp(float(f"{value:.{SIGNIFICANT_DIGITS}g}"))

    def clamp(self, value: float) -> float:
        """The nearest value inside the limits."""
        return min(self.high, max(self.low, value))

    def _noise(self, setpoint: float) -> float:
        noise = NOISE * (abs(setpoint) or min(1.0, self.high - self.low))
        return max(noise, INTEGER_NOISE) if self.integer else noise


def signal_of(name: str, attribute: Attribute) -> Signal | None:
    """The signal of a scalar numeric attribute, or None. The type is inferred where the dataset has none."""
    kind = attribute.type or infer_type(attribute.default, attribute.min, attribute.max)
    if attribute.vector or kind not in INTEGERS | REALS:
        return None
    low, high = _limit(attribute.min, -inf), _limit(attribute.max, inf)
    if low > high:
        low, high = high, low
    default = number(attribute.default)
    if kind in INTEGERS and math.ceil(max(low, -COUNT_MAX)) <= math.floor(min(high, COUNT_MAX)):
        low, high = math.ceil(max(low, -COUNT_MAX)), math.floor(min(high, COUNT_MAX))
        return Signal(name, True, low, high, min(high, max(low, float(default or 0))))
    return Signal(name, False, low, high, min(high, max(low, float(default or 0))))


def _limit(text: object, missing: float) -> float:
    found = number(text)
    return missing if found is None else float(found)
