"""Two ways of one's own to spread news, put into the real peer and compared with the mesh's own in the simulator.

    python -m sim.examples.own_protocol

Invariant: a strategy is all that differs: the same scenario, the same seed, the same peers around it.
"""

from collections.abc import Sequence
from functools import partial
from random import Random

from rich.console import Console
from rich.table import Table

from mesh.config import GossipConfig
from mesh.crdt.effects import Stocked
from mesh.crdt.log import certificates_for
from mesh.crdt.replica import Replica
from mesh.effects import GossipEffect, Send, Stream
from mesh.gossip.roster import Roster
from mesh.gossip.spread import Fresh, SpreadEvent
from mesh.ids import NodeId
from mesh.messages import Batches, Boards, Message
from mesh.peer import Peer
from sim import Scenario, read_scenario
from sim.node import MakePeer
from sim.report import Report
from sim.run import run

INLINE_BYTES = 1_000  # What is larger than a datagram goes over a stream.
FANOUT = 3


class Flooding:
    """Passes everything new on to everybody else: the fastest, and the dearest."""

    def __init__(self, roster: Roster, config: GossipConfig, rng: Random, replica: Replica) -> None:
        self.roster, self.rng, self.replica = roster, rng, replica

    def deadline(self) -> float:
        """It acts at once and never waits."""
        return float("inf")

    def check(self) -> None:
        """It keeps nothing that could be wrong."""

    def handle(self, event: SpreadEvent, now: float) -> list[GossipEffect]:
        """Pass on what is new here, batches of the ledger and deltas of boards."""
        match event:
            case Stocked(batches, source):
                with self.replica.read() as reader:
                    certificates = certificates_for(reader, batches)
                message = Batches(tuple(opened.batch for opened in batches), certificates)
                size = sum(len(opened.batch.content) for opened in batches) + sum(map(len, certificates))
                return self.push(message, size + 100 * len(batches), source)
            case Fresh(updates, source):
                deltas = tuple(update.signed for update in updates)
                return self.push(Boards(deltas), sum(len(signed.body) + 100 for signed in deltas), source)
            case _:
                return []

    def push(self, message: Message, size: int, source: NodeId | None) -> list[GossipEffect]:
        """The effects that send `message` to all targets."""
        way = Send if size <= INLINE_BYTES else Stream
        addresses = [(node, self.roster.address(node)) for node in self.targets(source)]
        return [way(node, at, message) for node, at in addresses if at is not None]

    def targets(self, source: NodeId | None) -> Sequence[NodeId]:
        """Everybody but who sent it."""
        return [node for node in self.roster.others() if node != source]


class RandomPush(Flooding):
    """Passes everything new on to three others, drawn by lot each time: rumour mongering (Demers et al. 1987, §1.4)."""

    def targets(self, source: NodeId | None) -> Sequence[NodeId]:
        """A few by lot."""
        others = super().targets(source)
        return self.rng.sample(others, min(FANOUT, len(others)))


STRATEGIES: dict[str, MakePeer] = {
    "the mesh's own": Peer,
    "random push": partial(Peer, spread=RandomPush),
    "flooding": partial(Peer, spread=Flooding),
}


def scenario(nodes: int) -> Scenario:
    """Writes and nothing else, on a network that loses two packets in a hundred."""
    raw = {
        "about": "Strategies compared",
        "nodes": nodes,
        "seconds": 40.0,
        "network": {"loss": 0.02},
        "workload": {"writes_per_s": 2.0, "publish_interval_s": 1000.0, "settle_s": 10.0},
    }
    return read_scenario(raw, "own_protocol")


def compare(nodes: int = 16, seed: int = 1) -> dict[str, Report]:
    """One run of every strategy."""
    return {name: run(scenario(nodes), seed, make_peer=make) for name, make in STRATEGIES.items()}


def batches_per_write(report: Report) -> float:
    """How many messages with batches were sent for one write, whoever sent them."""
    return report.metrics.traffic["Batches"].messages / max(1, report.metrics.writes.acknowledged)


def main() -> None:
    """Print the comparison."""
    table = Table(title="16 nodes, one seed")
    for column in ("strategy", "passed", "messages per write", "at the last node p50", "p99"):
        table.add_column(column, justify="right" if table.columns else "left")
    for name, report in compare().items():
        last = report.metrics.propagation.last_peer_s
        times = (f"{last.p50 * 1000:.1f} ms", f"{last.p99 * 1000:.1f} ms") if last is not None else ("-", "-")
        table.add_row(name, str(report.passed), f"{batches_per_write(report):.1f}", *times)
    Console().print(table)


if __name__ == "__main__":
    main()
