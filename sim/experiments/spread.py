"""How a write gets everywhere: time, hops and copies, over nineteen regions of the world.

Invariant: a copy counts where it arrives; a hop is counted along the way on which an item first came.
"""

from collections.abc import Sequence
from random import Random
from statistics import fmean

from mesh.effects import Effect
from mesh.events import Received
from mesh.gossip.recent import mark_of
from mesh.ids import NodeId, RecordId
from mesh.messages import Batches, Mark
from mesh.peer import Event, Peer
from mesh.records import PutRecord, Submit
from sim.checks import fates_of
from sim.experiments.intervals import thinned
from sim.experiments.plan import Chart, Experiment, Outcome, Point
from sim.experiments.results import Finding, Results, at_most, held_against, in_all
from sim.experiments.worlds import listening, pushed, quiet
from sim.run import SimulatedMesh
from sim.scenario import Scenario

WARM_S = 60.0  # Until links lie where they stay.
PACE_S = 1.0  # From one write to the next.
SETTLE_S = 30.0  # For reconcile, which brings what a push has missed.
BAR_COPIES = 2.0
BAR_S = 0.3
BAR_NODES = 800
CORROSION = {(200, 0.0): (26, 267), (800, 0.0): (67, 179), (800, 0.05): (67, 214), (2000, 0.0): (174, 130)}
"""Duplicates per node, and ms to the last node, median: gossip of Corrosion before its trees, modelled anew (own re-model)."""


def points(quick: bool) -> Sequence[Point]:
    """Sizes with and without loss."""
    if quick:
        return [{"nodes": 12, "loss": 0.05, "writes": 3}]
    return [{"nodes": nodes, "loss": loss, "writes": 40} for nodes in (200, 800, 2000) for loss in (0.0, 0.05)]


def scenario(point: Point) -> Scenario:
    """Nineteen cities all over the world: round trips of 4 ms + km / 75."""
    seconds = WARM_S + PACE_S * int(point["writes"]) + SETTLE_S + 1.0
    network = {"loss": float(point["loss"]), "delays": {"model": "geographic"}}
    return quiet("Writes at nodes all over the world", int(point["nodes"]), seconds, network=network)


class _Hops:
    """Along how many links each item came to each peer first."""

    def __init__(self) -> None:
        self.found: dict[Mark, dict[NodeId, int]] = {}

    def hear(self, peer: Peer, event: Event, effects: list[Effect]) -> None:
        """A peer has reacted."""
        if not isinstance(event, Received) or not isinstance(event.message, Batches) or event.message.session:
            return
        for batch in event.message.batches:
            hops = self.found.setdefault(mark_of(batch), {})
            hops.setdefault(peer.roster.me, hops.get(event.sender, 0) + 1)


def measure(made: Scenario, point: Point, seed: int) -> Outcome:
    """One cell."""
    hops, rng = _Hops(), Random(f"{seed}/writers")
    mesh = SimulatedMesh(made, seed, make_peer=listening(hops.hear))
    mesh.world.run(WARM_S)
    journal = mesh.metrics.journal
    for _ in range(int(point["writes"])):
        node = rng.choice(mesh.nodes)
        request = journal.submit(node.index, mesh.world.now)
        node.tell(
            Submit(request, (PutRecord(RecordId("variable", f"SIM/{request}"), {"value": request}),), "an author")
        )
        mesh.world.run(mesh.world.now + PACE_S)
    mesh.world.run(mesh.world.now + SETTLE_S)
    written = len(journal.acknowledged())
    first, again = pushed(mesh, lambda spread: spread.batches)
    delays_ms = [delay * 1000 for delay in journal.delays_s]
    figures = {
        "copies": again / (written * len(mesh.nodes)),
        "rmr": (first + again) / (written * (len(mesh.nodes) - 1)) - 1.0,
        "last_hop": fmean([max(way.values()) for way in hops.found.values()]),
        "pushed": first / (written * (len(mesh.nodes) - 1)),
        "lost": float(len(fates_of(mesh.nodes, journal).broken)),
        "unanswered": float(len(journal.entries) - written),
    }
    last_ms = tuple(entry.last_s * 1000 for entry, _ in journal.acknowledged())
    return Outcome(figures, {"last_ms": last_ms, "delay_ms": thinned(delays_ms)}, mesh.trace.digest())


def find(results: Results) -> Sequence[Finding]:
    """The bar at 800 nodes, then all sizes beside the model of what the mesh is to beat."""
    bar: Point = {"nodes": BAR_NODES}
    found = [
        at_most("copies too many per node, 800 nodes", BAR_COPIES, "bar 3", results.mean("copies", **bar, loss=0.0)),
        at_most("the same at 5 % loss", BAR_COPIES, "bar 3", results.mean("copies", **bar, loss=0.05)),
        at_most(
            "a write's last node, p99 of writes, 800 nodes, no loss",
            BAR_S * 1000,
            "bar 3",
            results.quantile("last_ms", 0.99, **bar, loss=0.0),
            "ms",
        ),
        at_most(
            "a write's last node, p99 of writes, 800 nodes, 5 % loss",
            BAR_S * 1000,
            "bar 3, read so that loss counts too",
            results.quantile("last_ms", 0.99, **bar, loss=0.05),
            "ms",
        ),
        at_most(
            "any node, p99 of nodes and writes, 800 nodes, 5 % loss",
            BAR_S * 1000,
            "bar 3, read so that any node counts, not the last",
            results.quantile("delay_ms", 0.99, **bar, loss=0.05),
            "ms",
        ),
        in_all(
            "writes missing anywhere at 5 % loss, 800 nodes", "bar 3", results.values("lost", **bar, loss=0.05), 0.0
        ),
    ]
    for (nodes, loss), (copies, last_ms) in CORROSION.items():
        only: Point = {"nodes": nodes, "loss": loss}
        where = f"{nodes} nodes, {loss:.0%} loss"
        by = "Corrosion's gossip, re-modelled"
        found += [
            held_against(f"copies too many per node, {where}", str(copies), by, results.mean("copies", **only)),
            held_against(
                f"last node, median, {where}", f"{last_ms} ms", by, results.quantile("last_ms", 0.5, **only), "ms"
            ),
            held_against(f"RMR, {where}", "near 0 in a steady tree", "Plumtree", results.mean("rmr", **only)),
        ]
    return found


EXPERIMENT = Experiment(
    name="spread",
    about="From a write to every node of a mesh over nineteen regions: time, hops, copies",
    source="Fly.io's simulation of Corrosion (19 regions, RTT 4 ms + km / 75); Leitão et al.: Plumtree, 2007",
    bar="3: 19 regions, N = 800: at most 2 duplicates per node, p99 at most 300 ms, 0 lost after reconcile at 5 % loss",
    points=points,
    scenario=scenario,
    measure=measure,
    find=find,
    units={
        "copies": "copies of a write that reach a node which has it, per node",
        "rmr": "relative message redundancy: payload messages per node that is to be reached, less 1",
        "last_hop": "links from the origin to the node that is farthest along the tree, mean over writes",
        "pushed": "share of nodes that were brought a write by a push, the others being reconcile's",
        "lost": "acknowledged writes that are missing somewhere 30 s after the last one",
        "unanswered": "writes that were not acknowledged",
    },
    charts=(
        Chart(
            name="last",
            title="From a write to its last node, no loss",
            y="last_ms",
            y_label="ms",
            by="nodes",
            kind="cdf",
            only={"loss": 0.0},
            said={"bar": BAR_S * 1000},
        ),
        Chart(
            name="last-lossy",
            title="From a write to its last node, 5 % loss",
            y="last_ms",
            y_label="ms",
            by="nodes",
            kind="cdf",
            only={"loss": 0.05},
            said={"bar": BAR_S * 1000},
        ),
        Chart(
            name="copies",
            title="Copies that a node did not need",
            x="nodes",
            x_label="nodes",
            y="copies",
            y_label="per node and write",
            by="loss",
            kind="bars",
            said={"bar": BAR_COPIES},
        ),
    ),
)
