"""From the start of the first of many machines to the moment at which each holds all others alive.

Invariant: a moment counts once all views are full and stay so to the end of the run.
"""

from collections.abc import Sequence

from sim.experiments.plan import Chart, Experiment, Outcome, Point
from sim.experiments.results import Finding, Results, in_all
from sim.experiments.worlds import quiet
from sim.node import Node
from sim.run import SimulatedMesh
from sim.scenario import Scenario

SPREAD_S = 1.0  # All are started within so long.
LOOK_S = 0.05
UNTIL_S = 15.0
BAR_S = 5.0
SERF_S = {64: 69.6, 128: 10.4}


def points(quick: bool) -> Sequence[Point]:
    """The sizes that were measured with real Serf agents."""
    return [{"nodes": nodes} for nodes in ((8,) if quick else SERF_S)]


def scenario(point: Point) -> Scenario:
    """All start at once, and know one seed."""
    start = {"known": False, "spread_s": SPREAD_S, "seeds": 1}
    return quiet("All machines are switched on at once", int(point["nodes"]), UNTIL_S, start=start)


def measure(made: Scenario, point: Point, seed: int) -> Outcome:
    """One cell."""
    mesh = SimulatedMesh(made, seed)
    full_s, sizes = UNTIL_S, dict[int, None]()
    while mesh.world.now < UNTIL_S:
        mesh.world.run(mesh.world.now + LOOK_S)
        seen = view_sizes(mesh.nodes)
        sizes |= dict.fromkeys(seen)
        if seen != [len(mesh.nodes)] * len(mesh.nodes):
            full_s = UNTIL_S
        elif full_s == UNTIL_S:
            full_s = mesh.world.now
    last = max(node.started_at for node in mesh.nodes)
    figures = {"full_s": full_s, "after_last_s": full_s - last, "view_sizes": float(len(sizes))}
    return Outcome(figures, {}, mesh.trace.digest())


def view_sizes(nodes: Sequence[Node]) -> list[int]:
    """How many members each machine that is up holds alive, itself included."""
    return [len(node.peer.roster.others()) + 1 for node in nodes if node.peer is not None]


def find(results: Results) -> Sequence[Finding]:
    """The bar, in every run."""
    return [
        in_all(
            f"cold start to full views, {nodes} nodes (Serf: {said:g} s)",
            "bar 4",
            results.values("full_s", nodes=nodes),
            BAR_S,
            "s",
        )
        for nodes, said in SERF_S.items()
    ]


EXPERIMENT = Experiment(
    name="cold-start",
    about="From the start of the first machine until every node holds every other alive",
    source="128 real Serf 0.9.4 agents on loopback, one run each",
    bar="4: cold start to full views, N = 64 and 128: at most 5 s in 20 of 20 seeds (Serf: 69.6 and 10.4 s)",
    points=points,
    scenario=scenario,
    measure=measure,
    find=find,
    seeds=20,
    units={
        "full_s": "s from the first start to full views everywhere, the spread of 1 s included",
        "after_last_s": "s from the last start",
        "view_sizes": "different sizes of views that were seen on the way, looking every 0.05 s",
    },
    charts=(
        Chart(
            name="full",
            title="Cold start to full views",
            x="nodes",
            x_label="nodes",
            y="full_s",
            y_label="seconds",
            kind="bars",
            said={"bar": BAR_S},
        ),
    ),
)
