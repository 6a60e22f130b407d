"""Everything loses power at once and comes back: who is held wrongly afterwards, and for how long.

Invariant: an entry is wrong where a machine that is up is not held alive, or one that is off is, at any machine that is up.
"""

from collections.abc import Sequence

from sim.experiments.plan import Chart, Experiment, Outcome, Point
from sim.experiments.results import Finding, Results, held_against, in_all
from sim.experiments.worlds import quiet
from sim.node import Node
from sim.run import SimulatedMesh
from sim.scenario import Scenario

AT_S = 20.0
DOWN_S = 5.0
SPREAD_S = 2.0
WAIT_S = 30.0  # The bar's.
LOOK_S = 0.5
SEEDS = {32: 1000, 500: 50}


def points(quick: bool) -> Sequence[Point]:
    """The bar's two sizes."""
    return [{"nodes": nodes} for nodes in ((6,) if quick else SEEDS)]


def seeds_of(point: Point) -> int:
    """How many seeds the bar asks for."""
    return SEEDS.get(int(point["nodes"]), 5)


def scenario(point: Point) -> Scenario:
    """A power cut of the whole site."""
    fault = {"kind": "mass-restart", "at_s": AT_S, "down_s": DOWN_S, "spread_s": SPREAD_S}
    seconds = AT_S + DOWN_S + SPREAD_S + WAIT_S + 1.0
    return quiet("The whole site loses power for five seconds", int(point["nodes"]), seconds, faults=[fault])


def measure(made: Scenario, point: Point, seed: int) -> Outcome:
    """One cell."""
    mesh = SimulatedMesh(made, seed)
    mesh.world.run(AT_S + DOWN_S + SPREAD_S)
    last = max(node.started_at for node in mesh.nodes)
    right_s = WAIT_S
    wrong = 0
    while mesh.world.now < last + WAIT_S:
        mesh.world.run(min(mesh.world.now + LOOK_S, last + WAIT_S))
        wrong = wrong_entries(mesh.nodes)
        if wrong:
            right_s = WAIT_S
        elif right_s == WAIT_S:
            right_s = mesh.world.now - last
    return Outcome({"wrong": float(wrong), "right_s": right_s}, {}, mesh.trace.digest())


def wrong_entries(nodes: Sequence[Node]) -> int:
    """How many entries of all rosters are wrong."""
    up = {node.node for node in nodes if node.up}
    return sum(len(up ^ {node.node, *node.peer.roster.others()}) for node in nodes if node.peer is not None)


def find(results: Results) -> Sequence[Finding]:
    """The bar, in every run."""
    found = []
    for point in results.points():
        nodes = int(point["nodes"])
        wanted = f"bar 6, {SEEDS[nodes]} seeds" if nodes in SEEDS else "bar 6"
        values = results.values("wrong", nodes=nodes)
        found.append(in_all(f"wrong entries 30 s after the last start, {nodes} nodes", wanted, values, 0.0))
        mean = results.mean("right_s", nodes=nodes)
        found.append(held_against(f"last start to no wrong entry, {nodes} nodes", "no bar", "", mean, "s"))
    return found


EXPERIMENT = Experiment(
    name="mass-restart",
    about="All machines lose power for five seconds: wrong entries 30 s after the last one is back",
    source="memberlist issue 311: after a mass restart some stay dead for ever",
    bar="6: mass restart of all, 1,000 seeds at N = 32, 50 at N = 500: 0 wrong entries 30 s after the last start",
    points=points,
    scenario=scenario,
    measure=measure,
    find=find,
    seeds_of=seeds_of,
    units={
        "wrong": "wrong entries of all rosters, 30 s after the last start",
        "right_s": "s from the last start until there was no wrong entry any more, looking every 0.5 s; 30: never",
    },
    charts=(
        Chart(
            name="right",
            title="From the last start to no wrong entry",
            x="nodes",
            x_label="nodes",
            y="right_s",
            y_label="seconds",
            kind="bars",
        ),
    ),
)
