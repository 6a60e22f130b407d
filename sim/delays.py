"""How long a message is under way between two nodes, and in which place each node stands.

Invariant: a model is compiled once into a function of the two nodes' indices; what it draws comes from the network's generator.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import log
from random import Random
from typing import Annotated, Literal

from msgspec import Meta, Struct

from mesh.errors import UsageError
from sim.geography import WORLD, Site, distance_km
from sim.laws import Law, draws
from sim.matrices import Matrix, read_matrix
from sim.quantities import Positive, Seconds, Share

Delay = Callable[[int, int], float]
UNITS_S = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
JITTER = "Each message takes up to this share longer than half the round trip, evenly spread."


class _DelayModel(Struct, frozen=True, forbid_unknown_fields=True, tag_field="model", kw_only=True):
    """How long a message is under way."""


class OneWay(_DelayModel, frozen=True, forbid_unknown_fields=True, tag="one-way", kw_only=True):
    """One way through the network is drawn from a law."""

    law: Annotated[Law, Meta(description="How long one way takes.")]
    each: Annotated[
        Literal["message", "link"],
        Meta(description="Drawn for each message, or once for each pair of nodes and the same both ways."),
    ] = "message"
    jitter: Annotated[Share, Meta(description=JITTER)] = 0.0


class Regions(_DelayModel, frozen=True, forbid_unknown_fields=True, tag="regions", kw_only=True):
    """Nodes stand in regions, with a matrix of round trips between these."""

    names: Annotated[tuple[str, ...], Meta(min_length=1, description="The regions.")]
    rtt_s: Annotated[
        tuple[tuple[Seconds, ...], ...],
        Meta(description="Round trips, a row per region; the diagonal holds inside a region."),
    ]
    weights: Annotated[
        tuple[Positive, ...] | None, Meta(description="Shares of the nodes against each other; None: all alike.")
    ] = None
    jitter: Annotated[Share, Meta(description=JITTER)] = 0.05


class Geographic(_DelayModel, frozen=True, forbid_unknown_fields=True, tag="geographic", kw_only=True):
    """Nodes stand in cities; a round trip is `base_rtt_s` plus the great circle at `km_per_s`, and `inside_rtt_s` inside one."""

    sites: Annotated[
        Annotated[tuple[Site, ...], Meta(min_length=1)] | None,
        Meta(description="None: nineteen cities all over the world."),
    ] = None
    base_rtt_s: Annotated[Seconds, Meta(description="What every round trip between cities costs.")] = 0.004
    km_per_s: Annotated[Positive, Meta(description="75 km in each millisecond of a round trip.")] = 75_000.0
    inside_rtt_s: Annotated[Seconds, Meta(description="A round trip inside one city.")] = 0.001
    jitter: Annotated[Share, Meta(description=JITTER)] = 0.15


class RttFile(_DelayModel, frozen=True, forbid_unknown_fields=True, tag="file", kw_only=True):
    """Round trips from a file: lines `i j rtt`, or a full matrix as text or CSV. Every node stands at a host, drawn by lot."""

    file: Annotated[str, Meta(description="Its path, from the scenario's own folder.")]
    unit: Annotated[Literal["s", "ms", "us"], Meta(description="What 1 in the file means.")] = "ms"
    jitter: Annotated[Share, Meta(description=JITTER)] = 0.0


DelayModel = OneWay | Regions | Geographic | RttFile


class Places(Struct, frozen=True):
    """Delays of a whole mesh. `names` are all places, `of` the number of each node's place."""

    delay: Delay
    names: tuple[str, ...] = ("here",)
    of: tuple[int, ...] = ()

    def region(self, index: int) -> str:
        """The name of the place where a node stands."""
        return self.names[self.of[index % len(self.of)]] if self.of else self.names[0]


def local(delay_s: float, jitter_s: float, rng: Random) -> Places:
    """A local network: `delay_s` plus an exponential with mean `jitter_s`."""
    random = rng.random
    if not jitter_s:
        return Places(lambda one, other: delay_s)
    return Places(lambda one, other: delay_s - jitter_s * log(1.0 - random()))


def compile_delays(model: DelayModel, nodes: int, rng: Random) -> Places:
    """Places and delays for `nodes` nodes. Raises UsageError where the model contradicts itself."""
    match model:
        case OneWay():
            return Places(_one_way(model, rng))
        case Regions():
            check_regions(model)
            half = [[value / 2 for value in row] for row in model.rtt_s]
            return _placed(model.names, model.weights or (1.0,) * len(half), half, _Spread(nodes, model.jitter, rng))
        case Geographic():
            sites = model.sites or WORLD
            names, weights = tuple(site.name for site in sites), tuple(site.weight for site in sites)
            return _placed(names, weights, _great_circles(model, sites), _Spread(nodes, model.jitter, rng))
        case RttFile():
            half = read_matrix(model.file, UNITS_S[model.unit])
            names = tuple(f"host{number}" for number in range(len(half)))
            return _placed(names, (1.0,) * len(half), half, _Spread(nodes, model.jitter, rng))


def check_regions(model: Regions) -> None:
    """Raise UsageError unless the matrix fits the names."""
    size = len(model.names)
    rows = [len(row) for row in model.rtt_s]
    if rows != [size] * size or (model.weights is not None and len(model.weights) != size):
        raise UsageError(
            f"network.delays: {size} regions want {size} rows of {size} round trips (and {size} weights, or none)",
            field="network.delays.rtt_s",
            todo="give a full matrix: rtt_s[i][j] for regions i and j",
        )


class _Spread(Struct, frozen=True):
    """Whom a matrix is for: how many nodes, how evenly delays are spread, and by which chance."""

    nodes: int
    jitter: float
    rng: Random


def _placed(names: tuple[str, ...], weights: Sequence[float], half: Matrix, spread: _Spread) -> Places:
    of = apportion(spread.nodes, weights, spread.rng)
    rows = [half[place] for place in of] or half
    random, jitter, count = spread.rng.random, spread.jitter, len(of) or len(half)
    columns = of or tuple(range(len(half)))

    def delay(one: int, other: int) -> float:
        return rows[one % count][columns[other % count]] * (1.0 + jitter * random())

    return Places(delay, names, of)


def apportion(nodes: int, weights: Sequence[float], rng: Random) -> tuple[int, ...]:
    """The place of each of `nodes` nodes: as many as each place's weight asks for, rounded, in an order drawn by lot."""
    whole, total, bounds = sum(weights), 0.0, [0]
    for weight in weights:
        total += weight
        bounds.append(round(nodes * total / whole))
    of = [place for place, (start, end) in enumerate(pairwise(bounds)) for _ in range(end - start)]
    rng.shuffle(of)
    return tuple(of)


def _great_circles(model: Geographic, sites: Sequence[Site]) -> Matrix:
    def half(one: Site, other: Site) -> float:
        rtt_s = model.inside_rtt_s if one is other else model.base_rtt_s + distance_km(one, other) / model.km_per_s
        return rtt_s / 2

    return [[half(one, other) for other in sites] for one in sites]


def _one_way(model: OneWay, rng: Random) -> Delay:
    draw, jitter, random = draws(model.law, rng), model.jitter, rng.random
    if model.each == "message":
        return lambda one, other: draw() * (1.0 + jitter * random()) if jitter else draw()
    links: dict[tuple[int, int], float] = {}

    def delay(one: int, other: int) -> float:
        key = (one, other) if one < other else (other, one)
        fixed = links.get(key)
        if fixed is None:
            fixed = links[key] = draw()
        return fixed * (1.0 + jitter * random()) if jitter else fixed

    return delay
