"""One run: a scenario and a seed in, a report out.

Invariant: everything random in a run comes from its seed, one source per part, so that two runs of one seed are the same.
"""

from collections.abc import Sequence
from random import Random
from typing import TextIO

import msgspec

from mesh.gossip.members import NOBODY
from mesh.peer import Peer
from sim.acquainted import acquaint
from sim.broken import PeerBroken
from sim.checks import Fates, Inspector, deep_differences, differences, fates_of
from sim.collecting import rare_collections
from sim.faults import Faults
from sim.journal import Journal
from sim.large_pages import large_pages
from sim.metrics import Metrics
from sim.network import Network
from sim.node import MakePeer, Node, Surroundings
from sim.provenance import provenance
from sim.report import SCHEMA, Report, Stopwatch, measure
from sim.scenario import Scenario, read_scenario
from sim.streams import Streams
from sim.trace import Trace
from sim.vigil import Vigil
from sim.workload import Authors, Publishers
from sim.world import World

LOOK_S = 1.0  # How often it is looked whether the mesh has converged.
FAILURES_MAX = 20  # A mesh that has lost everything need not say so a thousand times.


def run(
    scenario: Scenario,
    seed: int,
    nodes: int | None = None,
    seconds: float | None = None,
    trace_to: TextIO | None = None,
    *,
    make_peer: MakePeer = Peer,
) -> Report:
    """Run `scenario` from `seed`; `nodes` and `seconds` replace the scenario's. Raises UsageError where these do not fit.

    `trace_to` gets a line per event and effect. `make_peer` makes peers of another kind.
    """
    scenario = resized(scenario, nodes, seconds)
    watch = Stopwatch()
    mesh = SimulatedMesh(scenario, seed, trace_to, make_peer)
    return conclude(mesh, seed, watch)


def conclude(mesh: "SimulatedMesh", seed: int, watch: Stopwatch, by_hand: bool = False) -> Report:
    """Let a mesh live to its scenario's end, and judge it. `watch` runs since it was made."""
    scenario = mesh.scenario
    with rare_collections(), large_pages():
        failures, settled_s, fates = _live(mesh)
    real_s = watch.seconds()
    traffic, world = mesh.network.traffic, mesh.world
    return Report(
        schema=SCHEMA,
        scenario=scenario.name,
        seed=seed,
        nodes=scenario.nodes,
        sim_s=world.now,
        real_s=round(real_s, 3),
        messages=traffic.messages,
        messages_per_s=round(traffic.messages / real_s, 1),
        trace_hash=mesh.trace.digest(),
        trace_lines=mesh.trace.lines,
        converged=settled_s is not None,
        settled_s=settled_s,
        failures=failures,
        metrics=measure(mesh.metrics, traffic, fates, scenario.nodes, world.now),
        setting=scenario,
        provenance=provenance(),
        by_hand=by_hand,
    )


def resized(scenario: Scenario, nodes: int | None, seconds: float | None) -> Scenario:
    """The same scenario for other numbers. Raises UsageError where it makes no sense then."""
    changed = {name: value for name, value in (("nodes", nodes), ("seconds", seconds)) if value is not None}
    raw = {**msgspec.to_builtins(scenario), **changed}
    return read_scenario(raw, scenario.name)


class SimulatedMesh:
    """All parts of a run, put together and about to begin."""

    def __init__(
        self, scenario: Scenario, seed: int, trace_to: TextIO | None = None, make_peer: MakePeer = Peer
    ) -> None:
        self.scenario, self.world, self.trace = scenario, World(), Trace(trace_to)
        chance = Random(f"{seed}/network")
        self.network = Network(self.world, scenario.network, chance, scenario.nodes, scenario.start.seeds)
        self.metrics = Metrics(self.world, self.network, Journal(scenario.checks.every))
        self.vigil = Vigil(self.world, self.network, self.metrics, scenario.checks.dead_s)
        around = Surroundings(
            seed=str(seed),
            scenario=scenario,
            world=self.world,
            network=self.network,
            streams=Streams(self.network),
            metrics=self.metrics,
            trace=self.trace,
            inspect=Inspector(scenario.checks.every),
            make_peer=make_peer,
        )
        self.nodes = [Node(index, around) for index in range(scenario.nodes)]
        for node in self.nodes:
            self.network.attach(node)
            self.metrics.watch(node)
        self.metrics.ages.follow(self.nodes)
        self._begin(seed, around)

    def _begin(self, seed: int, around: Surroundings) -> None:
        starts, scenario = Random(f"{seed}/starts"), self.scenario
        known = acquaint(self.nodes) if scenario.start.known else NOBODY
        for node in self.nodes:
            self.world.at(0.0 if scenario.start.known else starts.random() * scenario.start.spread_s, node.start, known)
        quiet_at = scenario.seconds - scenario.workload.settle_s
        work = scenario.workload
        Authors(self.world, self.nodes, self.metrics.journal, work, Random(f"{seed}/authors")).begin(quiet_at)
        Publishers(self.world, work, Random(f"{seed}/publishers")).begin(self.nodes, quiet_at)
        self.faults = Faults(around, self.nodes, Random(f"{seed}/faults"))
        self.faults.begin(scenario.faults)
        self.vigil.begin(self.nodes)


def _live(mesh: SimulatedMesh) -> tuple[tuple[str, ...], float | None, Fates]:
    """Let the mesh live. Returns what failed, how long after the last write it had converged, and what became of the writes."""
    quiet_at = max(0.0, mesh.scenario.seconds - mesh.scenario.workload.settle_s)
    try:
        mesh.world.run(quiet_at)
        settled_s = _settle(mesh, mesh.scenario.seconds - quiet_at)
        for node in mesh.nodes:
            if node.peer is not None:
                node.peer.check()
    except (PeerBroken, AssertionError) as error:
        return (str(error) or f"an assertion of the simulator failed at {mesh.world.now:.6f} s",), None, Fates()
    fates = fates_of(mesh.nodes, mesh.metrics.journal)
    journal = mesh.metrics.journal
    apart = deep_differences(mesh.nodes, journal) if settled_s is not None else differences(mesh.nodes)
    safety = _shortened([*journal.graves.broken, *mesh.vigil.broken, *fates.broken])
    return (*safety, *_shortened(apart)), settled_s, fates


def _settle(mesh: SimulatedMesh, settle_s: float) -> float | None:
    """Go on to the end of the scenario, and then as long as the checks' grace lasts until all agree."""
    quiet_at, since = mesh.world.now, 0.0
    agreed_s: float | None = None
    while since < settle_s or (agreed_s is None and since < settle_s + mesh.scenario.checks.grace_s):
        since += LOOK_S
        mesh.world.run(quiet_at + since)
        if differences(mesh.nodes):
            agreed_s = None
        elif agreed_s is None:
            agreed_s = since
    return agreed_s


def _shortened(failures: Sequence[str]) -> tuple[str, ...]:
    more = len(failures) - FAILURES_MAX
    return (*failures[:FAILURES_MAX], *((f"and {more} more",) if more > 0 else ()))
