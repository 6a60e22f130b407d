"""An experiment of one's own: how many messages two or three peers need within a few seconds."""

from collections.abc import Sequence

from sim.experiments.plan import Chart, Experiment, Outcome, Point
from sim.experiments.results import Finding, Results, at_most, held_against
from sim.experiments.worlds import quiet
from sim.run import SimulatedMesh
from sim.scenario import Scenario


def points(quick: bool) -> Sequence[Point]:
    return [{"nodes": nodes, "profile": profile} for nodes in (2, 3) for profile in ("lan", "swim")]


def scenario(point: Point) -> Scenario:
    return quiet("Two or three", int(point["nodes"]), 8.0, gossip={"profile": point["profile"]})


def measure(made: Scenario, point: Point, seed: int) -> Outcome:
    if point["nodes"] == 3 and seed == 13:
        raise ValueError("an unlucky number")
    mesh = SimulatedMesh(made, seed)
    mesh.world.run(made.seconds)
    pings = mesh.network.traffic.kinds["Ping"].messages
    return Outcome({"pings": float(pings)}, {"delay_s": (0.1 * seed, 0.2)}, mesh.trace.digest())


def find(results: Results) -> Sequence[Finding]:
    return [
        held_against("pings", "many", "nobody", results.mean("pings", nodes=2)),
        at_most("pings", 1.0, "bar 0", results.mean("pings", nodes=3)),
    ]


EXPERIMENT = Experiment(
    name="own",
    about="How many pings <there> are",
    source="nobody & nothing",
    points=points,
    scenario=scenario,
    measure=measure,
    find=find,
    units={"pings": "pings in all"},
    charts=(
        Chart(name="pings", title="Pings", x="nodes", y="pings", y_label="pings", by="profile", said={"nobody": 3.0}),
        Chart(name="bars", title="Pings", x="nodes", y="pings", y_label="pings", by="profile", kind="bars"),
        Chart(name="delays", title="Delays", y="delay_s", y_label="s", by="nodes", kind="cdf", said={"light": 0.1}),
        Chart(name="nothing", title="Nothing", x="nodes", y="nothing", y_label="nothing"),
    ),
)
