"""What a mesh costs that does nothing: bytes and messages per node and second over its size.

Invariant: what is counted was sent after everybody knew everybody, datagrams' and streams' overhead included.
"""

from collections.abc import Sequence

from sim.experiments.plan import Chart, Experiment, Outcome, Point
from sim.experiments.results import Finding, Results, at_most, held_against
from sim.experiments.worlds import quiet
from sim.run import SimulatedMesh
from sim.scenario import Scenario

WARM_S = 60.0  # Until links lie where they stay.
COUNTED_S = 60.0
BAR_BYTE_S = 600.0
LARGEST = 1000
FLAT = 1.5  # So many times what the smallest mesh costs may the largest cost and still be called flat.


def points(quick: bool) -> Sequence[Point]:
    """Sizes, small ones first."""
    sizes, counted_s = ((6, 12), 10.0) if quick else ((50, 100, 200, 500, LARGEST), COUNTED_S)
    return [{"nodes": nodes, "counted_s": counted_s} for nodes in sizes]


def scenario(point: Point) -> Scenario:
    """Nobody writes, and boards are quiet."""
    seconds = WARM_S + float(point["counted_s"]) + 1.0
    return quiet("Nothing happens", int(point["nodes"]), seconds)


def measure(made: Scenario, point: Point, seed: int) -> Outcome:
    """One cell."""
    mesh = SimulatedMesh(made, seed)
    mesh.world.run(WARM_S)
    before = mesh.network.traffic.bytes_by_kind()
    messages = mesh.network.traffic.messages
    mesh.world.run(WARM_S + float(point["counted_s"]))
    per = made.nodes * float(point["counted_s"])
    sent = {kind: size - before.get(kind, 0) for kind, size in mesh.network.traffic.bytes_by_kind().items()}
    probing = sum(sent.get(kind, 0) for kind in ("Ping", "Ack", "PingRequest", "Nack", "Knock", "Open"))
    figures = {
        "byte_s": sum(sent.values()) / per,
        "message_s": (mesh.network.traffic.messages - messages) / per,
        "probe_byte_s": probing / per,
        "link_byte_s": sum(sent.get(kind, 0) for kind in ("Sound", "Echo", "Offer", "Accept", "Refuse", "Drop")) / per,
    }
    return Outcome(figures, {}, mesh.trace.digest())


def find(results: Results) -> Sequence[Finding]:
    """The bar: the amount, and that it does not grow with the mesh."""
    sizes = [int(point["nodes"]) for point in results.points()]
    largest, smallest = max(sizes), min(sizes)
    by = "bar 8" if largest == LARGEST else f"as bar 8, which is at N = {LARGEST}"
    what = f"bytes per node and second, {largest} nodes (memberlist: about 600)"
    return [
        at_most(what, BAR_BYTE_S, by, results.mean("byte_s", nodes=largest), "B/s"),
        at_most(
            f"the same at {largest} nodes against {smallest}, whose seeds are drawn again",
            FLAT,
            f"{by}: flat in N",
            results.ratio("byte_s", {"nodes": largest}, {"nodes": smallest}),
            "times",
        ),
        held_against("messages per node and second", "no bar", "", results.mean("message_s", nodes=largest)),
    ]


EXPERIMENT = Experiment(
    name="idle",
    about="Bytes and messages of a mesh in which nothing happens, over its size",
    source="memberlist's LAN profile, about 600 B per node and second",
    bar="8: idle bytes per node and second, N = 1,000, boards quiet: at most 600, flat in N",
    points=points,
    scenario=scenario,
    measure=measure,
    find=find,
    units={
        "byte_s": "bytes sent per node and second",
        "message_s": "messages sent per node and second",
        "probe_byte_s": "bytes of probes and their answers, digests and news included",
        "link_byte_s": "bytes for keeping links",
    },
    charts=(
        Chart(
            name="bytes",
            title="An idle mesh",
            x="nodes",
            x_label="nodes",
            y="byte_s",
            y_label="bytes sent per node and second",
            log_x=True,
            said={"bar": BAR_BYTE_S},
        ),
    ),
)
