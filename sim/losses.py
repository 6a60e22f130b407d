"""What the network loses beyond even chance: bursts, and traffic of nodes that something is wrong with.

Invariant: a burst's state is a function of time alone, wherever it is looked at; a rule concerns traffic only while it is in force.
"""

from math import exp
from random import Random
from typing import Annotated, Literal

from msgspec import Meta, Struct

from sim.quantities import Share, Span

Direction = Literal["in", "out", "both"]
Plane = Literal["all", "datagrams", "streams"]


class Bursts(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Loss in bursts (Gilbert 1960, Elliott 1963), in continuous time: good and bad spells of exponential length."""

    good_s: Annotated[Span, Meta(description="How long a good spell lasts on average.")] = 10.0
    bad_s: Annotated[Span, Meta(description="How long a bad spell lasts on average.")] = 0.5
    good_loss: Annotated[Share, Meta(description="Loss in a good spell.")] = 0.0
    bad_loss: Annotated[Share, Meta(description="Loss in a bad spell.")] = 0.5
    at: Annotated[
        Literal["link", "sender", "receiver"],
        Meta(description="What has spells of its own: a pair of nodes, or a node."),
    ] = "link"


class BurstLoss:
    """The spells of all links, or of all nodes; each is looked at only when something passes."""

    __slots__ = ("_model", "_rate", "_rng", "_spells", "_stationary")

    def __init__(self, model: Bursts, rng: Random) -> None:
        self._model, self._rng = model, rng
        self._rate = 1.0 / model.good_s + 1.0 / model.bad_s
        self._stationary = model.bad_s / (model.good_s + model.bad_s)
        self._spells: dict[tuple[int, int], tuple[float, bool]] = {}

    def chance(self, source: int, target: int, now: float) -> float:
        """With which probability a message from `source` to `target` is lost now."""
        at = self._model.at
        key = (source if at != "receiver" else -1, target if at != "sender" else -1)
        bad = self._rng.random() < self._bad_share(key, now)
        self._spells[key] = (now, bad)
        return self._model.bad_loss if bad else self._model.good_loss

    def _bad_share(self, key: tuple[int, int], now: float) -> float:
        """The probability of a bad spell now, given what was seen last: a two-state Markov chain's, in closed form."""
        seen = self._spells.get(key)
        if seen is None:
            return self._stationary
        then, bad = seen
        return self._stationary + (float(bad) - self._stationary) * exp(-self._rate * (now - then))


class Rule(Struct, frozen=True, eq=False):
    """Traffic of `nodes`, into them, out of them or both, and only with `others` where given, is lost with probability `loss`."""

    nodes: frozenset[int]
    loss: float
    direction: Direction = "both"
    plane: Plane = "all"
    others: frozenset[int] | None = None

    def concerns(self, source: int, target: int) -> bool:
        """Whether a message from `source` to `target` may be lost by this rule."""
        out = self.direction != "in" and source in self.nodes and (self.others is None or target in self.others)
        into = self.direction != "out" and target in self.nodes and (self.others is None or source in self.others)
        return out or into


class Rules:
    """The rules in force."""

    __slots__ = ("datagrams", "rules", "streams")

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.datagrams: tuple[Rule, ...] = ()
        self.streams: tuple[Rule, ...] = ()

    def add(self, rule: Rule) -> None:
        """Put a rule into force."""
        self.rules.append(rule)
        self._sort()

    def remove(self, rule: Rule) -> None:
        """Take a rule out of force, if it is in."""
        self.rules = [other for other in self.rules if other is not rule]
        self._sort()

    def _sort(self) -> None:
        self.datagrams = tuple(rule for rule in self.rules if rule.plane != "streams")
        self.streams = tuple(rule for rule in self.rules if rule.plane != "datagrams")


def chance_of(rules: tuple[Rule, ...], source: int, target: int) -> float:
    """With which probability a message is lost by any of `rules`."""
    kept = 1.0
    for rule in rules:
        if rule.concerns(source, target):
            kept *= 1.0 - rule.loss
    return 1.0 - kept
