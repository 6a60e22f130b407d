"""A simulated mesh in one's hands: let it live, look into its peers, break it, and take its traces as tables.

Invariant: without a hand on it, it lives exactly as `run` lets it live; what is done by hand happens at the present moment.
"""

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mesh.crdt.view import read_record
from mesh.errors import UsageError
from mesh.ids import RecordId
from mesh.peer import Peer
from mesh.records import PutRecord, Submit
from sim.breakage import Fault
from sim.checks import differences
from sim.extras import TABLES, need
from sim.library import load
from sim.node import MakePeer, Node
from sim.report import Report, Stopwatch
from sim.run import SimulatedMesh, conclude
from sim.scenario import Scenario

if TYPE_CHECKING:
    import polars as pl

LOOK_S = 0.1  # How often `run_until` asks.


class Mesh:
    """A mesh of a scenario and a seed, at its beginning. Times are virtual seconds."""

    def __init__(
        self,
        scenario: Scenario | str,
        seed: int = 1,
        *,
        changes: Sequence[str] = (),
        make_peer: MakePeer = Peer,
        traced: bool = True,
    ) -> None:
        """`scenario` is one, or its name or path with `changes` (`network.loss=0.05`). Without `traced` there is no trace to query.

        Raises UsageError for a scenario that makes no sense.
        """
        made = load(scenario, tuple(changes)) if isinstance(scenario, str) else scenario
        self._watch, self._lines = Stopwatch(), io.StringIO() if traced else None
        self._mesh = SimulatedMesh(made, seed, self._lines, make_peer)
        self._seed, self._by_hand = seed, False
        self.scenario = made

    @property
    def now(self) -> float:
        """Virtual seconds since the beginning."""
        return self._mesh.world.now

    @property
    def nodes(self) -> list[Node]:
        """All machines, in the order of their numbers. A node's `peer` is None while it is off."""
        return self._mesh.nodes

    def peer(self, node: int) -> Peer:
        """The peer that runs on machine number `node`. Raises UsageError where it is off."""
        peer = self._mesh.nodes[node].peer
        if peer is None:
            raise UsageError(f"node {node} is off at {self.now:g} s", field="node", todo="start it, or ask another")
        return peer

    def step(self) -> bool:
        """Let the next thing happen, whatever it is. False: nothing is going to happen any more."""
        return self._mesh.world.step()

    def run_for(self, seconds: float) -> None:
        """Let so much time pass."""
        self._mesh.world.run(self.now + seconds)

    def run_until(self, holds: Callable[[], bool], at_most_s: float = 600.0) -> float:
        """Let time pass until `holds()`, asked ten times a second. Returns how long that took; raises UsageError if too long."""
        began = self.now
        while not holds():
            if self.now >= began + at_most_s:
                raise UsageError(f"what was waited for did not happen within {at_most_s:g} s", todo="wait for longer")
            self.run_for(LOOK_S)
        return self.now - began

    def strike(self, fault: Fault) -> None:
        """Have a fault (see `sim.breakage`) happen now, whatever its `at_s`."""
        self._by_hand = True
        self._mesh.faults.strike(fault)

    def crash(self, node: int, lost_disk: bool = False) -> None:
        """Cut the power of one machine."""
        self._by_hand = True
        self._mesh.nodes[node].crash(silent=True, lost_disk=lost_disk)

    def start(self, node: int) -> None:
        """Switch one machine on again."""
        self._by_hand = True
        self._mesh.nodes[node].start()

    def cut(self, *groups: Sequence[int]) -> None:
        """Let only machines of one group reach each other."""
        self._by_hand = True
        self._mesh.network.cut(groups)

    def heal(self) -> None:
        """Let all machines reach each other."""
        self._by_hand = True
        self._mesh.network.heal()
        self._mesh.metrics.healed()

    def write(self, node: int, key: str, value: object) -> None:
        """Write {"value": value} as the variable `key` at a machine. It is answered as time passes."""
        self._by_hand = True
        request = self._mesh.metrics.journal.submit(node, self.now, changes=False)
        self.nodes[node].tell(Submit(request, (PutRecord(RecordId("variable", key), {"value": value}),), "by hand"))

    def read(self, node: int, key: str) -> dict[str, object] | None:
        """The fields that a machine shows of the variable `key`; None where it shows none."""
        with self.peer(node).ledger.read_durable() as reader:
            found = read_record(reader, RecordId("variable", key))
        return found.fields() if found is not None and found.exists else None

    def differences(self) -> list[str]:
        """How the machines that are up disagree now. Empty: they have converged."""
        return differences(self.nodes)

    def finish(self) -> Report:
        """Let it live to the end of its scenario, and judge it, as `run` does."""
        return conclude(self._mesh, self._seed, self._watch, self._by_hand)

    def events(self) -> "pl.DataFrame":
        """Everything that happened so far, as `sim.frames.events_of` describes it."""
        need(TABLES, "a table")
        from sim.frames import events_of

        if self._lines is None:
            raise UsageError("this mesh was made without a trace", field="traced", todo="make it with traced=True")
        self._mesh.trace.digest()  # Has every line written.
        return events_of(io.StringIO(self._lines.getvalue()))

    def writes(self) -> "pl.DataFrame":
        """Every write so far, as `sim.frames.writes_of` describes it."""
        need(TABLES, "a table")
        from sim.frames import writes_of

        return writes_of(self._mesh.metrics.journal)

    def delays(self) -> "pl.DataFrame":
        """How long writes took to show at one other peer, as a distribution (value in seconds, share)."""
        need(TABLES, "a table")
        from sim.frames import cdf

        return cdf(self._mesh.metrics.journal.delays_s)

    def detections(self) -> "pl.DataFrame":
        """Who noticed which crash, and when, as `sim.frames.detections_of` describes it."""
        need(TABLES, "a table")
        from sim.frames import detections_of

        return detections_of(self._mesh.metrics.crashes)

    def traffic(self) -> "pl.DataFrame":
        """What was sent so far, by kind of message."""
        need(TABLES, "a table")
        from sim.frames import traffic_of

        return traffic_of(self._mesh.network.traffic)
