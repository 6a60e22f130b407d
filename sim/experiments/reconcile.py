"""What it costs to bring two ledgers together that differ: bytes of reconcile against the batches that the other side lacks.

Invariant: nothing is pushed while it is counted; whatever is missing comes by reconcile alone.
"""

from collections.abc import Sequence

from mesh.crdt.replica import Table
from mesh.ids import RecordId
from mesh.records import PutRecord, Submit
from sim.checks import differences
from sim.experiments.plan import Chart, Experiment, Outcome, Point
from sim.experiments.results import Finding, Results, at_most, held_against
from sim.experiments.worlds import quiet
from sim.run import SimulatedMesh
from sim.scenario import Scenario

SETTLE_S = 20.0
HEAL_S = 60.0
PACE_S = 0.005  # From one write to the next.
KINDS = ("HeadSums", "Heads", "Batches", "More")
HEAD_BYTE = 8 * 1024  # What finding out may cost, however small the difference.
BAR = 3.0


def points(quick: bool) -> Sequence[Point]:
    """Differences over three orders of magnitude, in a ledger of two thousand batches."""
    base, sizes = (20, (1, 8)) if quick else (2000, (1, 10, 100, 1000))
    return [{"base": base, "differing": differing} for differing in sizes]


def scenario(point: Point) -> Scenario:
    """Two nodes, between which nothing is lost."""
    seconds = 2 * SETTLE_S + HEAL_S + PACE_S * (int(point["base"]) + int(point["differing"])) + 1.0
    network = {"loss": 0.0, "duplicates": 0.0, "reordered": 0.0}
    return quiet("Two nodes write without each other", 2, seconds, network=network)


def measure(made: Scenario, point: Point, seed: int) -> Outcome:
    """One cell."""
    mesh, base, differing = SimulatedMesh(made, seed), int(point["base"]), int(point["differing"])
    mesh.world.run(SETTLE_S)
    _write(mesh, base)
    mesh.world.run(mesh.world.now + SETTLE_S)
    assert not differences(mesh.nodes)
    stored = _log_bytes(mesh)
    mesh.network.cut([[0], [1]])
    _write(mesh, differing)
    mesh.world.run(mesh.world.now + 1.0)
    lacked = _log_bytes(mesh) - stored  # Each batch is on one side only.
    before = mesh.network.traffic.bytes_by_kind()
    began = mesh.world.now
    mesh.network.heal()
    mesh.metrics.healed()
    while differences(mesh.nodes) and mesh.world.now < began + HEAL_S:
        mesh.world.run(mesh.world.now + 0.1)
    assert not differences(mesh.nodes), f"not reconciled within {HEAL_S:g} s"
    after = mesh.network.traffic.bytes_by_kind()
    spent = sum(after.get(kind, 0) - before.get(kind, 0) for kind in KINDS)
    figures = {
        "bytes": float(spent),
        "lacked_bytes": float(lacked),
        "ratio": spent / lacked,
        "allowed_share": spent / (BAR * lacked + HEAD_BYTE),
        "took_s": mesh.world.now - began,
    }
    return Outcome(figures, {}, mesh.trace.digest())


def _write(mesh: SimulatedMesh, count: int) -> None:
    for number in range(count):
        node = mesh.nodes[number % 2]
        request = mesh.metrics.journal.submit(node.index, mesh.world.now, changes=False)
        node.tell(
            Submit(request, (PutRecord(RecordId("variable", f"SIM/{request}"), {"value": request}),), "an author")
        )
        mesh.world.run(mesh.world.now + PACE_S)


def _log_bytes(mesh: SimulatedMesh) -> int:
    return sum(len(row) for node in mesh.nodes for _, row in node.disk.replica.scan(Table.BATCHES))


def find(results: Results) -> Sequence[Finding]:
    """Bytes of both ways against what was lacked."""
    found = []
    for point in results.points():
        what = f"{point['differing']} of {point['base']} batches differ"
        said = f"{what}: bytes both ways against {BAR:g} × what is lacked + 8 KiB"
        found.append(at_most(said, 1.0, "join cost at most 3 × the difference", results.mean("allowed_share", **point)))
        found.append(held_against(f"{what}: bytes both ways", "no figure", "", results.mean("bytes", **point), "B"))
    return found


EXPERIMENT = Experiment(
    name="reconcile",
    about="Bytes that two nodes exchange until their ledgers are one, against the batches that they lacked",
    source="full-state push/pull sends everything, whatever the difference",
    points=points,
    scenario=scenario,
    measure=measure,
    find=find,
    units={
        "bytes": "bytes of sums, heads, batches and credit, both ways, overhead of datagrams and frames included",
        "lacked_bytes": "bytes of the batches that one side lacked, as they lie in the log",
        "ratio": "the first by the second",
        "allowed_share": "the first by 3 × the second + 8 KiB",
        "took_s": "s from the end of the cut until nothing differed, looking every 0.1 s; most of it is for redialling",
    },
    charts=(
        Chart(
            name="bytes",
            title="Reconcile",
            x="differing",
            x_label="batches that differ",
            y="bytes",
            y_label="bytes both ways",
            log_x=True,
            log_y=True,
        ),
        Chart(
            name="ratio",
            title="Reconcile, against what was lacked",
            x="differing",
            x_label="batches that differ",
            y="ratio",
            y_label="bytes sent per byte lacked",
            log_x=True,
            said={"3 ×": BAR},
        ),
    ),
)
