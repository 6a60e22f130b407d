"""A cut of any length heals without hands: from its end to one roster, one ledger and one state of the boards everywhere.

Invariant: both halves are written to during the cut, and the mesh counts as healed once nothing differs between any two nodes.
"""

from collections.abc import Sequence

from sim.checks import differences
from sim.experiments.mass_restart import wrong_entries
from sim.experiments.plan import Chart, Experiment, Outcome, Point
from sim.experiments.results import Finding, Results, in_all
from sim.experiments.worlds import quiet
from sim.run import SimulatedMesh
from sim.scenario import Scenario

AT_S = 20.0
WAIT_S = 120.0
LOOK_S = 0.5
WRITES = 60.0  # In all, whatever the cut's length.
BAR_S = 60.0
MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86_400.0


def points(quick: bool) -> Sequence[Point]:
    """Lengths from ten seconds to a week; the longer, the fewer nodes, as every second of each is simulated."""
    if quick:
        return [{"cut_s": 10.0, "nodes": 4}]
    short, long = ((10.0, 32), (MINUTE_S, 32), (10 * MINUTE_S, 16)), ((2 * HOUR_S, 8), (DAY_S, 4), (7 * DAY_S, 4))
    alone = (7 * DAY_S, 2)  # Where each is alone nobody is probed, and a week is cheap.
    return [{"cut_s": cut_s, "nodes": nodes} for cut_s, nodes in (*short, *long, alone)]


def scenario(point: Point) -> Scenario:
    """Two halves, which are written to."""
    cut_s = float(point["cut_s"])
    fault = {"kind": "partition", "at_s": AT_S, "heal_after_s": cut_s}
    workload = {"writes_per_s": WRITES / (AT_S + cut_s), "settle_s": WAIT_S, "from_s": 2.0}
    seconds = AT_S + cut_s + WAIT_S
    return quiet("The mesh is cut in two", int(point["nodes"]), seconds, faults=[fault], workload=workload)


def measure(made: Scenario, point: Point, seed: int) -> Outcome:
    """One cell."""
    mesh = SimulatedMesh(made, seed)
    ends_at = AT_S + float(point["cut_s"])
    mesh.world.run(ends_at)
    apart = len(differences(mesh.nodes)) > 0
    healed_s = rosters_s = WAIT_S
    while mesh.world.now < ends_at + WAIT_S and healed_s == WAIT_S:
        mesh.world.run(mesh.world.now + LOOK_S)
        left = differences(mesh.nodes)
        since = mesh.world.now - ends_at
        if not left:
            healed_s = since
        if rosters_s == WAIT_S and not wrong_entries(mesh.nodes):
            rosters_s = since
    written = float(len(mesh.metrics.journal.acknowledged()))
    figures = {"healed_s": healed_s, "rosters_s": rosters_s, "written": written, "apart": float(apart)}
    return Outcome(figures, {}, mesh.trace.digest())


def find(results: Results) -> Sequence[Finding]:
    """The bar, for every length, in every run."""
    return [
        in_all(
            f"a cut of {_said(float(point['cut_s']))}, {point['nodes']} nodes: its end to no difference",
            "bar 5 (memberlist: may never)",
            results.values("healed_s", **point),
            BAR_S,
            "s",
        )
        for point in results.points()
    ]


def _said(seconds: float) -> str:
    for name, size in (("d", DAY_S), ("h", HOUR_S), ("min", MINUTE_S)):
        if seconds >= size:
            return f"{seconds / size:g} {name}"
    return f"{seconds:g} s"


EXPERIMENT = Experiment(
    name="partition",
    about="A mesh that is cut in two heals by itself, however long the cut lasts",
    source="memberlist issues 222 and others: after 30 to 60 s both halves forget each other, and nothing redials",
    bar="5: a partition of 10 s to 7 days heals unattended: at most 60 s after the cut ends",
    points=points,
    scenario=scenario,
    measure=measure,
    find=find,
    units={
        "healed_s": "s from the end of the cut until no two nodes differed in anything, looking every 0.5 s; 120: never",
        "rosters_s": "s until every node held every other alive",
        "written": "writes that were acknowledged, most of them during the cut",
        "apart": "1: the halves differed when the cut ended",
    },
    charts=(
        Chart(
            name="healed",
            title="From the end of a cut to no difference",
            x="cut_s",
            x_label="length of the cut in seconds",
            y="healed_s",
            y_label="seconds",
            by="nodes",
            log_x=True,
            said={"bar": BAR_S},
        ),
    ),
)
