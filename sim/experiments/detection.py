"""How soon a crash is known: to the first, and to the last survivor, for each profile of the mesh's own core.

Invariant: a sample is one crash that every survivor came to know; one that some did not is counted and shown.
"""

from collections.abc import Sequence
from random import Random

from sim.experiments.intervals import quantile
from sim.experiments.plan import Chart, Experiment, Outcome, Point
from sim.experiments.results import Finding, Results, at_most, held_against
from sim.experiments.worlds import quiet
from sim.run import SimulatedMesh
from sim.scenario import Scenario

WARM_S = 25.0  # Until links lie where they stay.
DOWN_S = 30.0  # The slowest of memberlist's own runs took 23.5 s.
UP_S = 10.0
TOGETHER = 4  # So many stop at once, as in the runs with the real library.
MEMBERLIST = {
    "swim": (12.54, 13.24, 23.47),
    "lifeguard": (12.56, 12.94, 18.68),
    "lifeguard4": (10.14, 10.79, 14.76),
    "lifeguard2": (6.13, 6.63, 13.57),
}
"""Seconds to first p50, full p50, full p99 of memberlist 0.2.2 at N = 128, four members blocked for 32.8 s, 36 samples."""
BAR_S = 6.5


def points(quick: bool) -> Sequence[Point]:
    """Every profile at 128 members."""
    nodes, rounds = (12, 1) if quick else (128, 2)
    profiles = ("lan", "lifeguard2") if quick else ("lan", *MEMBERLIST)
    return [{"profile": profile, "nodes": nodes, "rounds": rounds} for profile in profiles]


def scenario(point: Point) -> Scenario:
    """A quiet mesh in which now and then four stop."""
    seconds = WARM_S + int(point["rounds"]) * (DOWN_S + UP_S) + 1.0
    about = "Four machines at a time lose power, and come back"
    return quiet(about, int(point["nodes"]), seconds, gossip={"profile": point["profile"]})


def measure(made: Scenario, point: Point, seed: int) -> Outcome:
    """One cell."""
    mesh, rng = SimulatedMesh(made, seed), Random(f"{seed}/crashes")
    mesh.world.run(WARM_S)
    for _ in range(int(point["rounds"])):
        began, hit = mesh.world.now, rng.sample(mesh.nodes, TOGETHER)
        mesh.world.run(began + rng.random() * made.gossip.probe_interval_s)
        for node in hit:
            node.crash(silent=True, lost_disk=False)
        mesh.world.run(began + DOWN_S)
        for node in hit:
            node.start()
        mesh.world.run(began + DOWN_S + UP_S)
    # Of those that stop together none is a survivor of the others.
    whole = [seen for seen in mesh.metrics.crashes if seen.survivors and len(seen.told_s) == len(seen.survivors)]
    first = [min(seen.told_s.values()) for seen in whole]
    full = [max(seen.told_s.values()) for seen in whole]
    figures = {"missed": float(len(mesh.metrics.crashes) - len(whole)), "false_downs": float(mesh.metrics.false_downs)}
    if whole:
        figures |= {"first_p50_s": quantile(first, 0.5), "full_p50_s": quantile(full, 0.5), "full_max_s": max(full)}
    return Outcome(figures, {"first_s": tuple(first), "full_s": tuple(full)}, mesh.trace.digest())


def find(results: Results) -> Sequence[Finding]:
    """The bar, then the profiles beside memberlist's own figures."""
    found = [
        at_most(
            "full detection, median, profile lan", BAR_S, "bar 1", results.quantile("full_s", 0.5, profile="lan"), "s"
        ),
        held_against("the same, p99", "no bar", "", results.quantile("full_s", 0.99, profile="lan"), "s"),
        held_against("first detection, median", "no bar", "", results.quantile("first_s", 0.5, profile="lan"), "s"),
        held_against("wrong verdicts meanwhile", "no bar", "", results.mean("false_downs", profile="lan")),
    ]
    for profile, said in MEMBERLIST.items():
        for what, name, share, figure in zip(
            ("first detection, median", "full detection, median", "full detection, p99"),
            ("first_s", "full_s", "full_s"),
            (0.5, 0.5, 0.99),
            said,
            strict=True,
        ):
            measured = results.quantile(name, share, profile=profile)
            found.append(
                held_against(f"{what}, profile {profile}", f"{figure:.2f} s", "memberlist 0.2.2", measured, "s")
            )
    return found


EXPERIMENT = Experiment(
    name="detection",
    about="From a crash to the first and to the last survivor that knows, at 128 members, of the mesh and of Lifeguard's settings",
    source="memberlist 0.2.2 with 128 members in one process, its LAN profile being α = 4",
    bar="1: full detection, N = 128, probes of 1 s: median at most 6.5 s (memberlist α = 4: 10.8 s)",
    points=points,
    scenario=scenario,
    measure=measure,
    find=find,
    units={
        "first_p50_s": "s from the crash to the first survivor that holds the node down, median of the run",
        "full_p50_s": "s to the last survivor, median of the run",
        "full_max_s": "s to the last survivor, slowest of the run",
        "missed": "crashes that some survivor had not heard of when the node came back",
        "false_downs": "wrong verdicts, counted at everybody who believed them",
    },
    charts=(
        Chart(
            name="full",
            title="From a crash to the last survivor that knows, N = 128",
            y="full_s",
            y_label="seconds",
            by="profile",
            kind="cdf",
            said={"bar": BAR_S, "memberlist α = 4, median": 10.79},
        ),
        Chart(
            name="medians",
            title="Full detection, median of each run",
            x="profile",
            y="full_p50_s",
            y_label="seconds",
            kind="bars",
            said={"bar": BAR_S},
        ),
    ),
    remarks=(
        "The figures of memberlist are of members that are blocked for 32.8 s; here machines lose power, which looks the same from"
        " outside. Its SWIM row has the buddy system, which could not be switched off there.",
    ),
)
