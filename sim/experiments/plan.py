"""An experiment as a value: which points are measured, in which world, how, and what its figures are to be held against.

Invariant: a cell is a point and a seed, and what it gives depends on these and the code alone.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct

from sim.scenario import Scenario

if TYPE_CHECKING:
    from sim.experiments.results import Finding, Results

Value = str | int | float
Point = dict[str, Value]
"""Parameters by name: {"nodes": 128, "profile": "swim"}."""

NAME_LETTERS_MAX = 80  # Of a cell's file name; the digest behind it keeps names apart.

_encode = msgspec.json.Encoder(order="deterministic").encode


class Cell(Struct, frozen=True):
    """One run: a point and a seed."""

    point: Point
    seed: int

    @property
    def name(self) -> str:
        """A file name for people, and of no other cell."""
        said = "-".join(f"{key}-{value}" for key, value in self.point.items())
        plain = "".join(letter if letter.isalnum() or letter in "-._" else "_" for letter in said)
        return f"{plain[:NAME_LETTERS_MAX]}-seed-{self.seed}-{blake2b(_encode(self), digest_size=4).hexdigest()}"


class Outcome(Struct, frozen=True):
    """What a cell has given: figures by name (one that makes no sense here is left out), samples by name, a hash of the trace."""

    figures: dict[str, float]
    samples: dict[str, tuple[float, ...]] = {}
    trace: str = ""


class Chart(Struct, frozen=True, kw_only=True):
    """A plot: figure `y` over the parameter `x`, a line or a row of bars per value of `by`; of a "cdf", `y` names samples.

    `only`: points with these parameters. `said`: what others say, as dashed lines.
    """

    name: str
    title: str
    y: str
    y_label: str
    x: str = ""
    x_label: str = ""
    by: str = ""
    kind: Literal["line", "bars", "cdf"] = "line"
    only: Point = {}
    said: dict[str, float] = {}
    log_x: bool = False
    log_y: bool = False


class Experiment(Struct, frozen=True, kw_only=True):
    """`points(quick)` are measured with seeds 1, 2, …: `seeds` of them, or as many as `seeds_of` says for a point.

    `measure(scenario(point), point, seed)` runs one cell. All of these are functions of a module, so that other processes find
    them. `find` holds the results against `source` and the bars named in `bar`. `units` says of each figure what it is.
    """

    name: str
    about: str
    source: str
    points: Callable[[bool], Sequence[Point]]
    scenario: Callable[[Point], Scenario]
    measure: Callable[[Scenario, Point, int], Outcome]
    find: Callable[["Results"], Sequence["Finding"]]
    units: dict[str, str]
    charts: tuple[Chart, ...] = ()
    seeds: int = 5
    seeds_of: Callable[[Point], int] | None = None
    bar: str = ""
    remarks: tuple[str, ...] = ()

    def cells(self, quick: bool, seeds: int | None = None) -> list[Cell]:
        """Every cell, those of one point together. `seeds` instead of what the experiment says; a quick one has two at most."""
        return [
            Cell(dict(point), seed)
            for point in self.points(quick)
            for seed in range(1, self._seeds_of(point, quick, seeds) + 1)
        ]

    def _seeds_of(self, point: Point, quick: bool, asked: int | None) -> int:
        if asked is not None:
            return asked
        planned = self.seeds_of(point) if self.seeds_of is not None else self.seeds
        return min(2, planned) if quick else planned
