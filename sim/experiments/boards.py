"""Boards that all change every second: what a change costs, and how old it is when it is shown.

Invariant: what is counted was said after links lay where they stay, and after the first second of changes, which forms the tree.
"""

from collections.abc import Sequence
from random import Random

from sim.experiments.intervals import thinned
from sim.experiments.plan import Chart, Experiment, Outcome, Point
from sim.experiments.results import Finding, Results, at_most, held_against, in_all
from sim.experiments.worlds import pushed, quiet
from sim.run import SimulatedMesh
from sim.scenario import Scenario, Workload
from sim.workload import Publishers

WARM_S = 30.0  # Until links lie where they stay.
TREE_S = 1.0  # The first changes form the tree.
SETTLE_S = 3.0  # After the last change; a change that was lost is asked for, or the next probe finds the difference.
LARGEST = 1000
INTERVAL_S = 1.0  # Between the changes of a board: what is older is shown when it is no longer so.


def points(quick: bool) -> Sequence[Point]:
    """Sizes; every node changes its board once a second."""
    sizes, changes = ((12,), 2) if quick else ((100, 300, LARGEST), 3)
    return [{"nodes": nodes, "changes": changes} for nodes in sizes]


def scenario(point: Point) -> Scenario:
    """A mesh of one site, in which nobody writes."""
    seconds = WARM_S + TREE_S + int(point["changes"]) + SETTLE_S + 1.0
    return quiet("Every board changes every second", int(point["nodes"]), seconds)


def measure(made: Scenario, point: Point, seed: int) -> Outcome:
    """One cell."""
    mesh = SimulatedMesh(made, seed)
    ages = mesh.metrics.ages
    mesh.world.run(WARM_S)
    every_s = Workload(publish_interval_s=INTERVAL_S)
    until = WARM_S + TREE_S + int(point["changes"])
    Publishers(mesh.world, every_s, Random(f"{seed}/boards")).begin(mesh.nodes, until)
    mesh.world.run(WARM_S + TREE_S)
    ages.follow(mesh.nodes)
    before = _totals(mesh)
    mesh.world.run(until)
    first, again, boards, messages, sent = (now - then for now, then in zip(_totals(mesh), before, strict=True))
    mesh.world.run(mesh.world.now + SETTLE_S)
    others, per = made.nodes - 1, made.nodes * int(point["changes"])
    figures = {
        "copies": again / max(1, first),
        "message_s": messages / per,
        "byte_s": sent / per,
        "in_a_message": (first + again) / max(1, boards),
        "shown": len(ages.all_s()) / max(1, others * ages.said),
        "behind": float(_behind(mesh)),
    }
    last_ms = tuple(round(1000 * max(shown), 3) for shown in ages.by_change())
    return Outcome(
        figures, {"last_ms": last_ms, "age_ms": thinned([1000 * age for age in ages.all_s()])}, mesh.trace.digest()
    )


def _totals(mesh: SimulatedMesh) -> tuple[int, ...]:
    """So far: deltas brought first and again, messages that held them, messages and bytes of all kinds."""
    traffic = mesh.network.traffic
    boards = traffic.kinds["Boards"].messages if "Boards" in traffic.kinds else 0
    return *pushed(mesh, lambda spread: spread.deltas), boards, traffic.messages, traffic.bytes


def _behind(mesh: SimulatedMesh) -> int:
    """How many boards somewhere are not as their owner has them."""
    peers = [node.peer for node in mesh.nodes if node.peer is not None]
    newest = {peer.roster.me: peer.boards.owners()[peer.roster.me].version for peer in peers}
    held = [peer.boards.owners() for peer in peers]
    return sum(
        owner not in boards or boards[owner].version != version for boards in held for owner, version in newest.items()
    )


def find(results: Results) -> Sequence[Finding]:
    """No board is behind at the end, and a change is shown before the next one comes."""
    found: list[Finding] = []
    for nodes in sorted({int(point["nodes"]) for point in results.points()}):
        only: Point = {"nodes": nodes}
        found += [
            in_all(
                f"boards that are behind somewhere, {nodes} nodes", "DESIGN §6", results.values("behind", **only), 0
            ),
            at_most(
                f"age of a change where it is shown, p99, {nodes} nodes",
                INTERVAL_S * 1000,
                "the interval of changes",
                results.quantile("age_ms", 0.99, **only),
                "ms",
            ),
            held_against(
                f"the same at its last node, median, {nodes} nodes",
                "no bar",
                "",
                results.quantile("last_ms", 0.5, **only),
                "ms",
            ),
            held_against(f"copies too many, {nodes} nodes", "no bar", "", results.mean("copies", **only)),
            held_against(f"bytes per node and second, {nodes} nodes", "no bar", "", results.mean("byte_s", **only)),
        ]
    return found


EXPERIMENT = Experiment(
    name="boards",
    about="Every board of a mesh changes every second: the age of what is shown, copies, messages and bytes",
    source="no published figure: DESIGN §6",
    bar="1,000 nodes × 1 update per second",
    points=points,
    scenario=scenario,
    measure=measure,
    find=find,
    units={
        "copies": "copies of a change that reach a node which has it, for each that is new there",
        "message_s": "messages sent per node and second",
        "byte_s": "bytes sent per node and second",
        "in_a_message": "changes in one message",
        "shown": "share of the followed changes that were shown, over all other nodes; a newer one may come first",
        "behind": "boards that some node holds in another version than their owner, 3 s after the last change",
    },
    charts=(
        Chart(
            name="ages",
            title="How old a change is where it is shown",
            y="age_ms",
            y_label="ms",
            by="nodes",
            kind="cdf",
        ),
        Chart(
            name="bytes",
            title="What boards cost",
            x="nodes",
            x_label="nodes",
            y="byte_s",
            y_label="bytes sent per node and second",
            log_x=True,
            log_y=True,
        ),
    ),
)
