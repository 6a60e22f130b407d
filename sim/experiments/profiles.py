"""What a profile is worth on the network that it is for, beside the usual one there: wrong verdicts, suspicions, detection.

Invariant: both profiles of a network meet the same crashes of the same machines at the same moments.
"""

from collections.abc import Sequence
from random import Random

from sim.experiments.intervals import quantile
from sim.experiments.plan import Chart, Experiment, Outcome, Point
from sim.experiments.results import Finding, Results, at_most, held_against
from sim.experiments.worlds import quiet
from sim.run import SimulatedMesh
from sim.scenario import Scenario

NETWORKS: dict[str, dict[str, object]] = {
    # Sites on two continents: round trips of 300 ms, and for half a second at a time half of all that is sent lost.
    "wan": {
        "delay_s": 0.15,
        "jitter_s": 0.03,
        "loss": 0.01,
        "bursts": {"good_s": 20.0, "bad_s": 0.5, "bad_loss": 0.5},
    },
    # One machine, or one rack.
    "local": {"delay_s": 0.00005, "jitter_s": 0.00002},
}
WARM_S, DOWN_S, UP_S = 25.0, 35.0, 10.0
WITHIN_S = {"wan": 11.0, "local": 2.5}
"""What docs/profiles.md promises: the median crash is known to the last survivor within so long."""


def points(quick: bool) -> Sequence[Point]:
    """Each network with its own profile and with `lan`."""
    nodes, crashes = (12, 1) if quick else (64, 4)
    pairs = [(network, profile) for network in NETWORKS for profile in (network, "lan")]
    return [{"network": network, "profile": profile, "nodes": nodes, "crashes": crashes} for network, profile in pairs]


def scenario(point: Point) -> Scenario:
    """A quiet mesh in which now and then a machine loses power."""
    seconds = WARM_S + int(point["crashes"]) * (DOWN_S + UP_S) + 1.0
    parts = {"gossip": {"profile": point["profile"]}, "network": NETWORKS[str(point["network"])]}
    return quiet("Machines lose power one after the other", int(point["nodes"]), seconds, **parts)


def measure(made: Scenario, point: Point, seed: int) -> Outcome:
    """One cell."""
    mesh, rng = SimulatedMesh(made, seed), Random(f"{seed}/crashes")
    mesh.world.run(WARM_S)
    for _ in range(int(point["crashes"])):
        began, hit = mesh.world.now, rng.choice(mesh.nodes)
        mesh.world.run(began + rng.random())
        hit.crash(silent=True, lost_disk=False)
        mesh.world.run(began + DOWN_S)
        hit.start()
        mesh.world.run(began + DOWN_S + UP_S)
    full = [max(seen.told_s.values()) for seen in mesh.metrics.crashes if len(seen.told_s) == len(seen.survivors)]
    figures = {
        "false_downs": float(mesh.metrics.false_downs),
        "suspicions": float(mesh.metrics.events.get("member.suspect", 0)),
        "missed": float(len(mesh.metrics.crashes) - len(full)),
    }
    if full:
        figures["full_p50_s"] = quantile(full, 0.5)
    return Outcome(figures, {"full_s": tuple(full)}, mesh.trace.digest())


def find(results: Results) -> Sequence[Finding]:
    """No wrong verdict, and in time; and what `lan` does there."""
    found: list[Finding] = []
    for network in NETWORKS:
        own: Point = {"network": network, "profile": network}
        lan: Point = {"network": network, "profile": "lan"}
        where = f"on the network of `{network}`"
        found += [
            at_most(f"wrong verdicts of `{network}`", 0.0, "docs/profiles.md", results.mean("false_downs", **own)),
            at_most(
                f"full detection of `{network}`, median",
                WITHIN_S[network],
                "docs/profiles.md",
                results.quantile("full_s", 0.5, **own),
                "s",
            ),
            held_against(f"`lan` {where}: full detection", "no bar", "", results.quantile("full_s", 0.5, **lan), "s"),
            held_against(f"`lan` {where}: wrong verdicts", "no bar", "", results.mean("false_downs", **lan)),
            held_against(f"suspicions of `{network}` for one of `lan`", "", "", results.ratio("suspicions", own, lan)),
        ]
    return found


EXPERIMENT = Experiment(
    name="profiles",
    about="The profiles `wan` and `local` on the networks that they are for, beside `lan` there",
    source="what docs/profiles.md says of them",
    bar="a profile's own: no wrong verdict, and the median crash known to all within its time",
    points=points,
    scenario=scenario,
    measure=measure,
    find=find,
    units={
        "false_downs": "wrong verdicts, counted at everybody who believed them",
        "suspicions": "suspicions, counted at everybody who heard of them",
        "missed": "crashes that some survivor had not heard of when the machine came back",
        "full_p50_s": "s from a crash to the last survivor that knows, median of the run",
    },
    charts=(
        Chart(
            name="full",
            title="From a crash to the last survivor that knows",
            y="full_s",
            y_label="seconds",
            by="profile",
            kind="cdf",
        ),
        Chart(
            name="suspicions",
            title="Suspicions",
            x="network",
            y="suspicions",
            y_label="suspicions",
            by="profile",
            kind="bars",
            log_y=True,
        ),
    ),
)
