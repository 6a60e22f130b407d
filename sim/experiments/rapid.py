"""Rapid (Suresh et al., USENIX ATC 2018): its start of many at once, and its faults that made other systems oscillate.

Invariant: a faulty member is shown at an observer where that holds it down, gone or degraded; only observers that are well count.
"""

from collections.abc import Sequence

from sim.experiments import cold_start
from sim.experiments.plan import Chart, Experiment, Outcome, Point
from sim.experiments.results import Finding, Results, held_against, in_all
from sim.experiments.worlds import quiet
from sim.node import Node
from sim.run import SimulatedMesh
from sim.scenario import Scenario

WARM_S = 40.0
LASTS_S = {300: 240.0, 1000: 140.0}  # A second of a thousand nodes and their news takes three of one core.
LOOK_S = 1.0  # Rapid §7: every process logs its view each second.
START_S = 60.0
SHARE = 0.01
BAR_S = 60.0
BAR_NODES = 1000
RETURNS_MAX = 1.0  # Once shown, a faulty member may come back once at an observer before that is called flapping.
FAULTS: dict[str, dict[str, object]] = {
    "flip-flop": {"kind": "loss", "loss": 1.0, "direction": "in", "on_s": 20.0, "off_s": 20.0},
    "loss-80": {"kind": "loss", "loss": 0.8, "direction": "both"},
    "crash": {"kind": "crash"},
}
MEMBERLIST = {
    "flip-flop": "memberlist: never removes all, oscillates; Rapid: exactly the faulty",
    "loss-80": "memberlist: never conclusive; Rapid: exactly the faulty",
    "crash": "memberlist: many view sizes; Rapid: one change",
}


def points(quick: bool) -> Sequence[Point]:
    """Starts of many at once, then faults of one per cent."""
    if quick:
        return [{"part": "bootstrap", "nodes": 12}, {"part": "flip-flop", "nodes": 12, "lasts_s": 50.0}]
    found: list[Point] = [{"part": "bootstrap", "nodes": nodes} for nodes in (500, 1000, 2000)]
    faults = [(part, nodes, lasts_s) for nodes, lasts_s in LASTS_S.items() for part in FAULTS]
    found += [{"part": part, "nodes": nodes, "lasts_s": lasts_s} for part, nodes, lasts_s in faults]
    return found


def scenario(point: Point) -> Scenario:
    """A start with one seed, or one per cent of a quiet mesh that something is wrong with."""
    nodes = int(point["nodes"])
    if point["part"] == "bootstrap":
        start = {"known": False, "spread_s": 1.0, "seeds": 1}
        return quiet("All start at once and know one seed", nodes, START_S, start=start)
    lasts_s = float(point["lasts_s"])
    fault = {"at_s": WARM_S, "share": SHARE, **FAULTS[str(point["part"])]}
    if fault["kind"] == "loss":
        fault["lasts_s"] = lasts_s
    return quiet("Something is wrong with one per cent", nodes, WARM_S + lasts_s + 1.0, faults=[fault])


def measure(made: Scenario, point: Point, seed: int) -> Outcome:
    """One cell."""
    mesh = SimulatedMesh(made, seed)
    return _measure_start(mesh) if point["part"] == "bootstrap" else _measure_fault(mesh, float(point["lasts_s"]))


def _measure_start(mesh: SimulatedMesh) -> Outcome:
    full_s: dict[int, float] = {}
    sizes = dict[int, None]()
    count = len(mesh.nodes)
    while len(full_s) < count and mesh.world.now < START_S:
        mesh.world.run(mesh.world.now + LOOK_S)
        sizes |= dict.fromkeys(cold_start.view_sizes(mesh.nodes))
        for node in mesh.nodes:
            if node.peer is not None and len(node.peer.roster.others()) == count - 1:
                full_s.setdefault(node.index, mesh.world.now)
    waited = [full_s.get(node.index, START_S) for node in mesh.nodes]
    figures = {"full_s": max(waited), "mean_full_s": sum(waited) / count, "view_sizes": float(len(sizes))}
    return Outcome(figures, {}, mesh.trace.digest())


class _Shown:
    """When each faulty member was first shown at each observer, and how often it came back."""

    def __init__(self, faulty: Sequence[Node], observers: Sequence[Node]) -> None:
        self._pairs = [(one, observer) for one in faulty for observer in observers]
        self._shown = [False] * len(self._pairs)
        self.first_s: list[float | None] = [None] * len(self._pairs)
        self.returns = 0

    def look(self, since_s: float) -> None:
        """Look at all of them, so long after the fault's beginning."""
        for number, (one, observer) in enumerate(self._pairs):
            shown = _is_shown(one, observer)
            if shown and self.first_s[number] is None:
                self.first_s[number] = since_s
            self.returns += self._shown[number] and not shown
            self._shown[number] = shown

    @property
    def now(self) -> int:
        """How many pairs show it now."""
        return sum(self._shown)

    @property
    def pairs(self) -> int:
        """How many there are."""
        return len(self._pairs)


def _is_shown(one: Node, observer: Node) -> bool:
    peer = observer.peer
    assert peer is not None
    return not peer.roster.takes_part(one.node) or bool(peer.planes.failing(one.node))


def _measure_fault(mesh: SimulatedMesh, lasts_s: float) -> Outcome:
    mesh.world.run(WARM_S)
    faulty = [node for node in mesh.nodes if not node.up or mesh.metrics.is_afflicted(node.name)]
    observers = [node for node in mesh.nodes if node not in faulty]
    shown, sizes = _Shown(faulty, observers), dict[int, None]()
    while mesh.world.now < WARM_S + lasts_s:
        mesh.world.run(mesh.world.now + LOOK_S)
        shown.look(mesh.world.now - WARM_S)
        sizes |= dict.fromkeys(cold_start.view_sizes(observers))
    late = sum(first is None or first > BAR_S for first in shown.first_s)
    figures = {
        "late": late / shown.pairs,
        "shown_s": max(lasts_s if first is None else first for first in shown.first_s),
        "returns": shown.returns / shown.pairs,
        "shown_at_end": shown.now / shown.pairs,
        "healthy_removed": float(mesh.metrics.false_downs_at_healthy),
        "view_sizes": float(len(sizes)),
    }
    return Outcome(figures, {}, mesh.trace.digest())


def find(results: Results) -> Sequence[Finding]:
    """The bar, then Rapid's own figures."""
    found: list[Finding] = []
    for point in results.points():
        found += _start(results, point) if point["part"] == "bootstrap" else _fault(results, point)
    return found


def _start(results: Results, point: Point) -> list[Finding]:
    nodes = point["nodes"]
    said = "memberlist about 95 s on average, Rapid 2 to 2.32 times faster" if nodes == 2000 else "no figure read"
    sizes = {1000: "memberlist 901, Rapid 4", 2000: "memberlist 1,858, Rapid 4"}.get(int(nodes), "no figure")
    by = "Rapid §7.1"
    return [
        held_against(f"start of {nodes}, mean to a full view", said, by, results.mean("mean_full_s", **point), "s"),
        held_against(f"start of {nodes}, last full view", "no figure", by, results.mean("full_s", **point), "s"),
        held_against(f"start of {nodes}, sizes of views seen", sizes, by, results.mean("view_sizes", **point)),
    ]


def _fault(results: Results, point: Point) -> list[Finding]:
    what = f"{point['part']}, 1 % of {point['nodes']}"
    bar = "bar 7" if point["nodes"] == BAR_NODES else f"as bar 7, which is at N = {BAR_NODES}"
    said, by = MEMBERLIST[str(point["part"])], "Rapid §7.2"
    sizes = held_against(f"{what}: sizes of views seen", said, by, results.mean("view_sizes", **point))
    removed = in_all(
        f"{what}: healthy members removed at healthy ones", bar, results.values("healthy_removed", **point), 0.0
    )
    late = in_all(f"{what}: share not shown within 60 s", bar, results.values("late", **point), 0.0)
    flaps = in_all(
        f"{what}: returns per observer and faulty member",
        f"{bar}: not flapping",
        results.values("returns", **point),
        RETURNS_MAX,
    )
    return [removed, late, flaps, sizes]


EXPERIMENT = Experiment(
    name="rapid",
    about="A start of up to 2,000 at once; one per cent that hears nothing for 20 s of every 40, that loses 80 %, or that is gone",
    source="Suresh et al.: Stable and Consistent Membership at Scale with Rapid, USENIX ATC 2018, §7",
    bar="7: flip-flop and 80 % loss on 1 % of 1,000: no healthy one removed, each faulty one shown within 60 s, and not flapping",
    points=points,
    scenario=scenario,
    measure=measure,
    find=find,
    units={
        "full_s": "s from the first start to the last full view, looking every second",
        "mean_full_s": "s from the first start to a node's full view, mean over the nodes",
        "view_sizes": "different sizes of views seen at members that are well, looking every second",
        "late": "share of pairs of a faulty member and a healthy observer that did not show it within 60 s",
        "shown_s": "s until the last such pair first showed it",
        "returns": "how often a pair showed it as well again, mean over pairs",
        "shown_at_end": "share of pairs that showed it at the end of the run",
        "healthy_removed": "wrong verdicts about healthy members, counted at healthy members",
    },
    charts=(
        Chart(
            name="start",
            title="Start of many at once",
            x="nodes",
            x_label="nodes",
            y="full_s",
            y_label="seconds to the last full view",
            only={"part": "bootstrap"},
        ),
        Chart(
            name="shown",
            title="From a fault to the last observer that shows it",
            x="part",
            y="shown_s",
            y_label="seconds",
            by="nodes",
            kind="bars",
            said={"bar": BAR_S},
        ),
        Chart(
            name="returns",
            title="How often a faulty member is shown as well again",
            x="part",
            y="returns",
            y_label="times per observer",
            by="nodes",
            kind="bars",
        ),
    ),
    remarks=(
        "In the paper the seed starts 10 s before all others; here all start within one second, in an order drawn by lot.",
        "Rapid removes a faulty member for good, and the mesh lets it refute for ever: how often it comes back is measured.",
    ),
)
