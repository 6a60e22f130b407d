"""Lifeguard (Dadgar, Phillips, Currey, arXiv 1707.00788): wrong verdicts while some members are slow, part by part of it.

Invariant: every configuration is a setting of the mesh's own core, and all of one seed meet the same anomalies.
"""

from collections.abc import Sequence

from sim.experiments import detection
from sim.experiments.plan import Chart, Experiment, Outcome, Point
from sim.experiments.results import Finding, Results, at_most, held_against, in_all, say
from sim.experiments.worlds import quiet
from sim.run import SimulatedMesh
from sim.scenario import Scenario

NODES = 128
WARM_S = 25.0
ANOMALY_S = 120.0  # Block, run, block, run … for so long.
REST_S = 15.0  # Verdicts that are on their way.
SLOW = (4, 16, 32)  # C, of the paper's 1 to 32.
BLOCK_RUN_MS = (
    *((2048, 64), (2048, 256), (8192, 64), (8192, 1024)),
    *((16384, 64), (16384, 1024), (32768, 64), (32768, 1024)),
)
"""D and I, of the paper's grids of 128 … 32,768 ms and 1 … 16,384 ms."""
MODES = ("block", "freeze", "gate")
"""What stands still: each thread that sends or receives (the paper's), the whole process, or what goes out and comes in."""

CONFIGURATIONS: dict[str, dict[str, object]] = {
    "swim": {"profile": "swim"},
    "lha-probe": {"profile": "swim", "health_max": 7, "nacks": True},
    "lha-suspicion": {"profile": "swim", "suspicion_spread": 6.0, "confirmations": 3},
    "buddy": {"profile": "swim", "buddy": True},
    "lifeguard": {"profile": "lifeguard"},
    "lifeguard4": {"profile": "lifeguard4"},
    "mesh": {"profile": "lan"},
}
PAPER = {
    "lha-probe": (67.72, 32.88, 98.46, 90.03),
    "lha-suspicion": (3.00, 6.71, 111.31, 106.52),
    "buddy": (94.08, 44.57, 100.07, 99.01),
    "lifeguard": (1.53, 1.89, 110.59, 97.97),
}
"""Percent of SWIM over all interval experiments: false positives, those at healthy members, messages, bytes (table 1)."""
MEMBERLIST = {
    "C4-D16384-I64": ("42 / 0", "0 / 0"),
    "C16-D16384-I64": ("119 / 0", "9 / 0"),
    "C32-D32768-I1024": ("561 / 2", "88 / 1"),
    "C16-D2048-I256": ("6 / 0", "11 / 0"),
}
"""FP / FP− of memberlist 0.2.2 in the same cells, SWIM and Lifeguard α = 5, one run each."""
BAR_SHARE = 0.015


def name_of(slow: int, block_ms: int, run_ms: int) -> str:
    """The name of an anomaly: C16-D2048-I256."""
    return f"C{slow}-D{block_ms}-I{run_ms}"


def points(quick: bool) -> Sequence[Point]:
    """24 anomalies, in three ways of standing still, and a detection, each in every configuration."""
    nodes, lasts_s, rounds = (10, 10.0, 1) if quick else (NODES, ANOMALY_S, 2)
    slow, grid = ((2,), BLOCK_RUN_MS[:1]) if quick else (SLOW, BLOCK_RUN_MS)
    known = ("swim", "mesh") if quick else tuple(CONFIGURATIONS)
    names = [name_of(count, block_ms, run_ms) for count in slow for block_ms, run_ms in grid]
    found: list[Point] = [
        {"anomaly": name, "mode": mode, "configuration": configuration, "nodes": nodes, "lasts_s": lasts_s}
        for mode in (MODES[:1] if quick else MODES)
        for name in names
        for configuration in known
    ]
    found += [{"anomaly": "crash", "configuration": one, "nodes": nodes, "rounds": rounds} for one in known]
    return found


def scenario(point: Point) -> Scenario:
    """Some members stand still, again and again."""
    gossip = CONFIGURATIONS[str(point["configuration"])]
    if point["anomaly"] == "crash":
        made = detection.scenario({**point, "profile": "lan"})
        return quiet(made.about, made.nodes, made.seconds, gossip=gossip)
    slow, block_ms, run_ms = (int(part[1:]) for part in str(point["anomaly"]).split("-"))
    fault = {
        "kind": "slow",
        "at_s": WARM_S,
        "count": slow,
        "blocked": {"law": "constant", "value_s": block_ms / 1000},
        "running": {"law": "constant", "value_s": run_ms / 1000},
        "mode": point["mode"],
        "lasts_s": float(point["lasts_s"]),
    }
    seconds = WARM_S + float(point["lasts_s"]) + REST_S + 1.0
    return quiet(
        "Some members stand still again and again", int(point["nodes"]), seconds, gossip=gossip, faults=[fault]
    )


def measure(made: Scenario, point: Point, seed: int) -> Outcome:
    """One cell."""
    if point["anomaly"] == "crash":
        return detection.measure(made, point, seed)
    mesh = SimulatedMesh(made, seed)
    mesh.world.run(WARM_S)
    traffic = mesh.network.traffic
    messages, size = traffic.messages, traffic.bytes
    mesh.world.run(WARM_S + float(point["lasts_s"]) + REST_S)
    metrics = mesh.metrics
    figures = {
        "fp": float(metrics.false_downs),
        "fp_healthy": float(metrics.false_downs_at_healthy),
        "fp_declared": float(metrics.false_accusations),
        "true_downs": float(metrics.afflicted_downs),
        "messages": float(traffic.messages - messages),
        "bytes": float(traffic.bytes - size),
    }
    return Outcome(figures, {}, mesh.trace.digest())


def find(results: Results) -> Sequence[Finding]:
    """The bars over all anomalies, the paper's table, memberlist's cells, and what detection costs."""
    found: list[Finding] = []
    for mode in MODES:
        own = Results(results.select(mode=mode))
        if own.measured:
            found += [*_bars(own, mode), *_table(own, mode), *(_cells(own) if mode == "block" else ())]
    return [*found, *_detections(results)]


def _bars(results: Results, mode: str) -> list[Finding]:
    both = _in_each(results, "mesh", "lifeguard4")
    mesh, theirs = both.values("fp", configuration="mesh"), both.values("fp", configuration="lifeguard4")
    against = both.ratio("fp", {"configuration": "mesh"}, {"configuration": "lifeguard4"})
    healthy = results.values("fp_healthy", configuration="mesh")
    share = _in_each(results, "mesh", "swim").ratio("fp", {"configuration": "mesh"}, {"configuration": "swim"})
    counts = f"{sum(mesh):,.0f} against {sum(theirs):,.0f}"
    higher = Finding(
        what=f"{mode}: false positives of the mesh against Lifeguard α = 4 in the same runs",
        said="not higher",
        by="bar 1, second half",
        measured=counts if mesh and theirs else say(None),
        interval=against,
        reached=sum(mesh) <= sum(theirs) if mesh and theirs else None,
        value=sum(mesh),
        bar=sum(theirs),
    )
    return [
        at_most(f"{mode}: false positives of the mesh against SWIM in the same runs", BAR_SHARE, "bar 2", share),
        in_all(f"{mode}: false positives of the mesh at healthy members", "bar 2: FP− = 0", healthy, 0.0),
        higher,
    ]


def _in_each(results: Results, *configurations: str) -> Results:
    """The runs whose anomaly and seed were measured in each of these configurations."""
    runs = [
        {(one.cell.point["anomaly"], one.cell.seed) for one in results.select(configuration=configuration)}
        for configuration in configurations
    ]
    shared = set.intersection(*runs)
    return Results([one for one in results.measured if (one.cell.point["anomaly"], one.cell.seed) in shared])


def _table(results: Results, mode: str) -> list[Finding]:
    found = []
    for configuration, said in PAPER.items():
        figures = ("fp", "fp_healthy", "messages", "bytes")
        names = ("false positives", "the same at healthy members", "messages", "bytes")
        for figure, name, percent in zip(figures, names, said, strict=True):
            both = _in_each(results, configuration, "swim")
            measured = both.ratio(figure, {"configuration": configuration}, {"configuration": "swim"})
            what = f"{mode}: {name} of {configuration} against SWIM, over all anomalies measured"
            found.append(held_against(what, f"{percent / 100:.4f}", "Lifeguard, table 1", measured))
    return found


def _cells(results: Results) -> list[Finding]:
    found = []
    for anomaly, said in MEMBERLIST.items():
        for configuration, figure in zip(("swim", "lifeguard"), said, strict=True):
            only: Point = {"anomaly": anomaly, "configuration": configuration}
            both = (results.mean("fp", **only), results.mean("fp_healthy", **only))
            if both[0] is not None:
                text = f"{say(both[0])} / {say(both[1])}"
                what = f"block: FP / FP− in {anomaly}, {configuration}"
                found.append(Finding(what=what, said=figure, by="memberlist 0.2.2, one run", measured=text))
    return found


def _detections(results: Results) -> list[Finding]:
    found = []
    for configuration in CONFIGURATIONS:
        only: Point = {"anomaly": "crash", "configuration": configuration}
        quantiles = [results.quantile(name, share, **only) for name in ("first_s", "full_s") for share in (0.5, 0.99)]
        if quantiles[0] is not None:
            text = f"first {say(quantiles[0])}, {say(quantiles[1])}; full {say(quantiles[2])}, {say(quantiles[3])} s"
            what = f"crash to first and to last survivor, p50 and p99, {configuration}"
            found.append(Finding(what=what, said="see experiment detection", by="", measured=text))
    return found


EXPERIMENT = Experiment(
    name="lifeguard",
    about="Wrong verdicts while 4 to 32 of 128 members are slow, of SWIM, of each part of Lifeguard, of all of it, and of the mesh",
    source="Dadgar, Phillips, Currey: Lifeguard, arXiv 1707.00788, table 1; memberlist 0.2.2 in the same cells",
    bar="2: false positives, N = 128, 4 to 32 slow members: at most 1.5 % of our own SWIM, FP− = 0; 1: not above Lifeguard α = 4",
    points=points,
    scenario=scenario,
    measure=measure,
    find=find,
    units={
        "fp": "members with whom nothing is wrong that are declared failed, counted at every member that believes it",
        "fp_healthy": "the same, counted only at members with whom nothing is wrong (FP−)",
        "fp_declared": "the same, counted only at the member that found it out for itself, as by its own clock",
        "true_downs": "verdicts about slow members",
        "messages": "messages sent by all, from the beginning of the anomalies on",
        "bytes": "bytes sent by all, from the beginning of the anomalies on",
        **detection.EXPERIMENT.units,
    },
    charts=(
        Chart(
            name="fp",
            title="False positives by anomaly",
            x="anomaly",
            y="fp",
            y_label="false positives in a run",
            by="configuration",
            kind="bars",
        ),
        Chart(
            name="full",
            title="From a crash to the last survivor that knows",
            y="full_s",
            y_label="seconds",
            by="configuration",
            kind="cdf",
            only={"anomaly": "crash"},
        ),
    ),
    remarks=(
        "A blocked member is what the paper's are, a program of threads: each stands still before it sends and after it received,"
        " so that a member begins one probe, which waits with its ping and fails when that may leave, while suspicions run out."
        " A frozen one stands still as a whole, as a program of one loop does (the mesh is one): milder. A gate keeps what is"
        " sent and received and lets all else go on, so that a member asks into the void each period, and all its verdicts leave"
        " at once: harder than any program known.",
        "False positives are counted as in the paper and as of memberlist: at every member that believes them. How many of these"
        " are the believer's own stands beside.",
        "An anomaly C16-D2048-I256 blocks 16 members for 2,048 ms before each send and after each receive, lets them run for"
        " 256 ms, and so on for 120 s. The paper's table is over all of its larger grid, so that its ratios are comparable in"
        " order, not in digits.",
    ),
)
