"""SWIM (Das, Gupta, Motivala, DSN 2002): detection, load and group sizes of its variants, as settings of the mesh's own core.

Invariant: no protocol is written here; what the paper does otherwise (who is declared failed never comes back) is done to machines.
"""

from collections.abc import Sequence
from math import ceil, e
from random import Random
from statistics import fmean

from mesh.effects import Effect, Emit, Send
from mesh.messages import Ack, Nack, Ping, PingRequest
from mesh.peer import Event, Peer
from sim.experiments.plan import Chart, Experiment, Outcome, Point
from sim.experiments.results import Finding, Results, held_against
from sim.experiments.tellers import Multicasting, Silent
from sim.experiments.worlds import listening, quiet
from sim.node import Node
from sim.run import SimulatedMesh
from sim.scenario import Scenario

PERIOD_S = 2.0  # SWIM §5: the protocol period of all its measurements.
READ_PERIODS = 40  # SWIM §5.1: readings of the load go over so many periods.
WARM_PERIODS = 15  # Until all know each other, and links and news are settled.
REST_PERIODS = 12  # From a crash to the next: it is suspected, comes back and refutes.
JOINED = 17  # SWIM §5.3: so many processes join one after another,
UNTIL_S = 175.0  # and so long it was looked on.
JOINING_S = 17.0  # The paper does not say how fast they joined: one a second.
LOSSES = (0.1, 0.05)
"""Of all packets, as the paper says; and of those one way, where its tenth means a question and its answer."""
ROUNDS = 9  # 3 * ceil(ln(17 + 1)) periods: how often news is sent, and how long a suspect has.
PROBES = (Ping, Ack, PingRequest, Nack)

GOSSIP = {
    "profile": "swim",
    "probe_interval_s": PERIOD_S,
    "probe_timeout_s": 0.5,
    "indirect_probes": 1,
    "gossip_fanout": 0,  # News rides on probes alone.
    "retransmit_factor": ROUNDS / 2,  # Times ceil(log10(18)).
}
INFECTION: dict[str, object] = {**GOSSIP, "suspicion_factor": 0.0, "suspicion_floor": 0.0}
SUSPICION: dict[str, object] = {**INFECTION, "suspicion_floor": float(ROUNDS)}
VARIANTS: dict[str, dict[str, object]] = {
    "basic": INFECTION,
    "infection": INFECTION,
    "suspicion": SUSPICION,
    "infection, answered": INFECTION,
    "suspicion, answered": SUSPICION,
    "mesh": {"profile": "lan", "probe_interval_s": PERIOD_S, "probe_timeout_s": 0.5},
}
PEERS: dict[str, type[Peer]] = {"basic": Multicasting, "infection": Silent, "suspicion": Silent}
SAID = {
    "basic": "2",
    "infection": "4",
    "suspicion": "12",
    "mesh": "no figure: members refute, and nobody is switched off",
}


def points(quick: bool) -> Sequence[Point]:
    """Detection and load over the size of the group, then what loss does to a group of 17."""
    sizes, crashes = ((6,), 2) if quick else ((8, 16, 28, 55), 40)
    until_s = 18.5 if quick else UNTIL_S
    found: list[Point] = [{"part": "detection", "nodes": nodes, "crashes": crashes} for nodes in sizes]
    losses = (0.1,) if quick else LOSSES
    found += [
        {"part": "sizes", "variant": variant, "until_s": until_s, "loss": loss}
        for loss in losses
        for variant in VARIANTS
    ]
    return found


def scenario(point: Point) -> Scenario:
    """A quiet group; packets are lost where sizes are measured."""
    if point["part"] == "sizes":
        return quiet(
            "Seventeen join one after another, and some of all packets are lost",
            JOINED,
            float(point["until_s"]),
            gossip=VARIANTS[str(point["variant"])],
            network={"loss": float(point["loss"])},
            start={"known": False, "spread_s": JOINING_S, "seeds": JOINED},
        )
    periods = WARM_PERIODS + READ_PERIODS + REST_PERIODS * int(point["crashes"])
    return quiet(
        "A healthy group in which now and then one stops",
        int(point["nodes"]),
        periods * PERIOD_S + 1.0,
        gossip=VARIANTS["suspicion"],
        network={"loss": 0.0, "duplicates": 0.0, "reordered": 0.0},
    )


def measure(made: Scenario, point: Point, seed: int) -> Outcome:
    """One cell."""
    return _measure_sizes(made, point, seed) if point["part"] == "sizes" else _measure_detection(made, point, seed)


class _Load:
    """Counts what each member sends in each period."""

    def __init__(self) -> None:
        self.counts: dict[tuple[bytes, int], int] = {}
        self.period: int | None = None

    def hear(self, peer: Peer, event: Event, effects: list[Effect]) -> None:
        """A peer has reacted."""
        sent = sum(isinstance(effect, Send) and isinstance(effect.message, PROBES) for effect in effects)
        if sent and self.period is not None:
            key = (peer.roster.me, self.period)
            self.counts[key] = self.counts.get(key, 0) + sent


def _measure_detection(made: Scenario, point: Point, seed: int) -> Outcome:
    load, rng = _Load(), Random(f"{seed}/crashes")
    mesh = SimulatedMesh(made, seed, make_peer=listening(load.hear))
    mesh.world.run(WARM_PERIODS * PERIOD_S)
    for period in range(READ_PERIODS):
        load.period = period
        mesh.world.run((WARM_PERIODS + period + 1) * PERIOD_S)
    load.period = None
    for _ in range(int(point["crashes"])):
        began, victim = mesh.world.now, rng.choice(mesh.nodes)
        mesh.world.run(began + rng.random() * PERIOD_S)
        victim.crash(silent=True, lost_disk=False)
        mesh.world.run(began + REST_PERIODS / 2 * PERIOD_S)
        victim.start()
        mesh.world.run(began + REST_PERIODS * PERIOD_S)
    waited = [seen.suspected_s / PERIOD_S for seen in mesh.metrics.crashes if seen.suspected_s is not None]
    counts = [load.counts.get((node.node, period), 0) for node in mesh.nodes for period in range(READ_PERIODS)]
    # A probe that fails is one of the period after which its target is suspected.
    periods = [float(max(1, ceil(value - 1.0 - 1e-9))) for value in waited]
    figures = {
        "load": fmean(counts),
        "below_5": sum(count < 5 for count in counts) / len(counts),
        "detection_periods": fmean(periods),
        "suspected_periods": fmean(waited),
    }
    return Outcome(figures, {"suspected_periods": tuple(waited)}, mesh.trace.digest())


class _Removal:
    """Whoever is declared failed is switched off: in the paper nobody comes back."""

    def __init__(self) -> None:
        self.declared: list[str] = []

    def hear(self, peer: Peer, event: Event, effects: list[Effect]) -> None:
        """A peer has reacted."""
        self.declared += [
            str(said.about["name"]) for said in effects if isinstance(said, Emit) and said.name == "member.down"
        ]

    def carry_out(self, nodes: Sequence[Node]) -> None:
        """Switch off who was declared failed since the last time."""
        for node in nodes:
            if node.up and node.name in self.declared:
                node.crash(silent=True, lost_disk=False)
        self.declared.clear()


def _measure_sizes(made: Scenario, point: Point, seed: int) -> Outcome:
    removal, variant = _Removal(), str(point["variant"])
    mesh = SimulatedMesh(made, seed, make_peer=listening(removal.hear, PEERS.get(variant, Peer)))
    ours = made.gossip.profile == "lan"
    while mesh.world.now < made.seconds:
        mesh.world.run(mesh.world.now + PERIOD_S / 20)
        if not ours:
            removal.carry_out(mesh.nodes)
    up = [node for node in mesh.nodes if node.peer is not None]
    seen = [len(node.peer.roster.others()) + 1 for node in up if node.peer is not None]
    figures = {
        "group": float(max(seen)),
        "left": float(len(up)),
        "declared": float(mesh.metrics.events.get("member.down", 0)),
    }
    return Outcome(figures, {}, mesh.trace.digest())


def find(results: Results) -> Sequence[Finding]:
    """The paper's figures beside ours."""
    theory = e / (e - 1)
    found = [
        held_against(
            f"protocol periods to the first detection, {nodes} members",
            f"{theory:.2f}, whatever the size",
            "SWIM §3.2 and figure 2",
            results.mean("detection_periods", part="detection", nodes=nodes),
        )
        for nodes in _sizes(results)
    ]
    found += [
        held_against(
            f"messages sent per member and period, {nodes} members",
            "2.0, whatever the size",
            "SWIM §5.1, figure 2",
            results.mean("load", part="detection", nodes=nodes),
        )
        for nodes in _sizes(results)
    ]
    found.append(
        held_against(
            "share of readings below 5 messages, 28 members",
            "0.99",
            "SWIM §5.1",
            results.mean("below_5", part="detection", nodes=28),
        )
    )
    for loss in LOSSES:
        for variant in VARIANTS:
            found.append(
                held_against(
                    f"the group left of 17 under {loss:.0%} loss, {variant}",
                    SAID.get(variant, "no figure: the paper has no such answers"),
                    "SWIM §5.3, figure 5",
                    results.mean("group", part="sizes", variant=variant, loss=loss),
                )
            )
    return found


def _sizes(results: Results) -> list[int]:
    return [int(point["nodes"]) for point in results.points() if point["part"] == "detection"]


EXPERIMENT = Experiment(
    name="swim",
    about="First detection, load, and what loss does to a group, of SWIM as a setting of the mesh's own core",
    source="Das, Gupta, Motivala: SWIM, DSN 2002, §5",
    points=points,
    scenario=scenario,
    measure=measure,
    find=find,
    units={
        "detection_periods": "protocol periods from a stop to the one whose probe of it fails, counted whole as in the paper",
        "suspected_periods": "periods from a stop to the first suspicion, a probe taking one whole period",
        "load": "probes, answers, requests and nacks sent per member and period, nobody being down",
        "below_5": "share of members' periods with fewer than five of these",
        "group": "members that the member which sees the most of them holds alive, itself included",
        "left": "members that were not declared failed and switched off",
        "declared": "verdicts in all, counted at everybody who believed them",
    },
    charts=(
        Chart(
            name="detection",
            title="First detection of a stopped member",
            x="nodes",
            x_label="members",
            y="detection_periods",
            y_label="protocol periods",
            only={"part": "detection"},
            said={"SWIM: e / (e - 1)": e / (e - 1)},
        ),
        Chart(
            name="load",
            title="Load of a member",
            x="nodes",
            x_label="members",
            y="load",
            y_label="messages sent per period",
            only={"part": "detection"},
            said={"SWIM: 2.0": 2.0},
        ),
        Chart(
            name="sizes",
            title="The group of 17 after 175 s, a tenth of all questions and answers lost",
            x="variant",
            y="group",
            y_label="members",
            kind="bars",
            only={"part": "sizes", "loss": 0.05},
            said={"SWIM with suspicion": 12.0, "SWIM with infection only": 4.0, "SWIM, basic": 2.0},
        ),
    ),
    remarks=(
        "The peers of `basic`, `infection` and `suspicion` say less than the mesh's: none tells another what it holds of him,"
        " none compares rosters, and those of `basic` tell joins and verdicts once, to all. Those called `answered` are the"
        " mesh's own with the papers' knobs.",
        "A machine is switched off as soon as anybody declares it failed: in the paper nobody comes back. The row of the mesh is"
        " without that.",
        "By the paper's own formulas a probe with one helper fails with probability (1 - 0.9^2)(1 - 0.9^4) = 0.065 where a tenth"
        " of all messages is lost, so that without suspicion 17 members last 17 exp(-0.065 * 87) < 1 in 87 periods. Where a tenth"
        " of all questions with their answers is lost, one message in twenty, it is 0.018, and 17 exp(-0.018 * 87) = 3.5. Both are"
        " measured; the paper's sizes come with the second.",
    ),
)
