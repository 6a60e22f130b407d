"""What people and units do to a simulated mesh: writes at any peer, and boards that keep changing.

Invariant: every write has a value of its own, so that no two are mistaken for each other; after `until` there is silence.
"""

from collections.abc import Sequence
from random import Random

from mesh.crdt.view import read_record
from mesh.events import Publish
from mesh.ids import RecordId
from mesh.peer import Peer
from mesh.records import BuryRecord, Operation, PatchRecord, PutRecord, RestoreRecord, Submit
from sim.journal import Journal
from sim.node import Node
from sim.scenario import Workload
from sim.world import World

Verb = type[PutRecord] | type[PatchRecord] | type[BuryRecord] | type[RestoreRecord]


class Authors:
    """People who write to the ledger, now at one peer and now at another."""

    __slots__ = ("_journal", "_model", "_nodes", "_rng", "_until", "_world")

    def __init__(self, world: World, nodes: Sequence[Node], journal: Journal, model: Workload, rng: Random) -> None:
        self._world, self._nodes, self._journal, self._model, self._rng = world, nodes, journal, model, rng
        self._until = 0.0

    def begin(self, until: float) -> None:
        """Write from the workload's beginning until the moment `until`."""
        self._until = until
        if self._model.writes_per_s:
            self._world.at(self._model.from_s + self._pause(), self._write, None)

    def _pause(self) -> float:
        return self._rng.expovariate(self._model.writes_per_s)

    def _write(self, _: None) -> None:
        now = self._world.now
        if now >= self._until:
            return
        self._world.at(now + self._pause(), self._write, None)
        up = [node for node in self._nodes if node.up]
        key = self._rng.randrange(self._model.keys)
        if not up:
            return
        node = self._rng.choice(up)
        record = RecordId("variable", f"SIM/{key}")
        kind = self._kind(node, record)
        request = self._journal.submit(node.index, now, changes=kind in (PutRecord, PatchRecord))
        node.tell(Submit(request, (_operation(kind, record, request),), "simulated author"))

    def _kind(self, node: Node, record: RecordId) -> Verb:
        """What to do with a record, as its author sees it at `node`."""
        model = self._model
        if not model.buries and not model.clears:
            return PutRecord
        luck = self._rng.random()
        if node.peer is not None and _is_buried(node.peer, record):
            return RestoreRecord
        if luck < model.buries:
            return BuryRecord
        return PatchRecord if luck < model.buries + model.clears else PutRecord


def _is_buried(peer: Peer, record: RecordId) -> bool:
    with peer.ledger.read() as reader:
        found = read_record(reader, record)
    return found is not None and found.buried


def _operation(kind: Verb, record: RecordId, request: int) -> Operation:
    if kind is PutRecord:
        return PutRecord(record, {"value": request})
    if kind is PatchRecord:  # The value goes; the note makes the write one of its own.
        return PatchRecord(record, {"value": None, "note": request})
    return BuryRecord(record) if kind is BuryRecord else RestoreRecord(record)


TAKEN_AWAY = 0.1  # Of what boards with several topics say.


class Publishers:
    """Every node's board: a topic of it changes at an interval. With one topic each delta is a whole board."""

    __slots__ = ("_interval_s", "_rng", "_topics", "_until", "_world")

    def __init__(self, world: World, model: Workload, rng: Random) -> None:
        self._world, self._interval_s, self._rng = world, model.publish_interval_s, rng
        self._topics = model.topics
        self._until = 0.0

    def begin(self, nodes: Sequence[Node], until: float) -> None:
        """From now on let every node publish until the moment `until`, each at moments of its own."""
        self._until = until
        for node in nodes:
            self._world.at(self._world.now + self._rng.random() * self._interval_s, self._publish, node)

    def _publish(self, node: Node) -> None:
        now = self._world.now
        if now < self._until:
            self._world.at(now + self._interval_s, self._publish, node)
            node.tell(self._said())

    def _said(self) -> Publish:
        load = {"load": round(self._rng.random(), 3)}
        if self._topics == 1:
            return Publish("node", load)
        topic = f"unit/{self._rng.randrange(self._topics)}"
        return Publish(topic, None if self._rng.random() < TAKEN_AWAY else load)
