"""The bars of the gossip that are measured in the simulator, in a version that takes a few minutes.

`mesh-sim experiment` measures each with more seeds and points, with intervals and papers beside it (docs/experiments.md).
"""

from collections.abc import Iterator

from msgspec import Struct

from bench.measure import Measure
from sim.experimenting import selected
from sim.experiments.catalogue import find_experiment
from sim.experiments.results import Finding, Results
from sim.experiments.running import measure


class Part(Struct, frozen=True):
    """A part of an experiment: the points chosen, as for `mesh-sim experiment --only`, with seeds from 1 on."""

    experiment: str
    only: tuple[str, ...]
    seeds: int


PARTS = (
    Part("detection", ("profile=lan",), 2),
    Part("lifeguard", ("anomaly=C16-D16384-I64", "mode=freeze", "configuration=swim", "configuration=mesh"), 1),
    Part("spread", ("nodes=800", "loss=0.05"), 1),
    Part("cold-start", (), 3),
    Part("partition", ("cut_s=60.0",), 2),
    Part("mass-restart", ("nodes=32",), 10),
    Part("rapid", ("nodes=300", "part=flip-flop", "part=loss-80"), 1),
    Part("idle", ("nodes=50", "nodes=200"), 1),
)


def measures() -> Iterator[Measure]:
    """A row per bar that the measured points decide on."""
    for part in PARTS:
        experiment = find_experiment(part.experiment)
        ran = [
            measure(experiment, cell) for cell in selected(experiment.cells(quick=False, seeds=part.seeds), part.only)
        ]
        results = Results([one.measured for one in ran if one.measured is not None])
        broken = sum(one.measured is None for one in ran)
        yield from (row for found in experiment.find(results) for row in _rows(part, found, broken))


def _rows(part: Part, found: Finding, broken: int) -> Iterator[Measure]:
    if found.value is not None and found.reached is not None:
        detail: dict[str, float | int | str] = {"what": found.what, "seeds": part.seeds, "broken_runs": broken}
        name = f"gossip.simulated.{part.experiment}"
        yield Measure(name, round(found.value, 4), f"({found.by})", found.bar, found.reached and not broken, detail)
