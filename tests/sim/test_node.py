"""A machine keeps its boots, sleeps until its peer's deadline, and says where its peer broke."""

import pytest

from mesh.errors import MeshError
from mesh.events import Tick
from mesh.ids import RecordId
from mesh.records import PutRecord, Submit
from sim.broken import PeerBroken
from tests.sim.mesh import Listening, scenario


def test_each_life_has_a_higher_boot_and_a_lost_disk_starts_again() -> None:
    listening = Listening(scenario())
    listening.world.run(5)
    node, boots = listening.nodes[0], []
    for lost in (False, False, True):
        assert node.peer is not None
        boots.append(node.peer.roster.own.claim.boot.count)
        node.crash(silent=True, lost_disk=lost)
        node.start()
    assert node.peer is not None
    assert boots == [1, 2, 3]
    assert node.peer.roster.own.claim.boot.count == 1


def test_a_machine_that_is_off_hears_and_says_nothing() -> None:
    listening = Listening(scenario(nodes=1, workload={"writes_per_s": 0}))
    listening.world.run(5)
    listening.nodes[0].crash(silent=True, lost_disk=False)
    lines = listening.mesh.trace.lines
    listening.nodes[0].tell(Tick())
    listening.world.run(30)
    assert (listening.mesh.trace.lines, listening.nodes[0].peer) == (lines, None)


def test_a_peer_is_woken_no_later_than_its_deadline() -> None:
    listening = Listening(scenario())
    for moment in range(21, 200):
        listening.world.run(moment / 10)
        for node in listening.nodes:
            assert node.peer is not None
            assert node.peer.deadline() > node.clock.local(listening.world.now)


def test_what_a_peer_raises_is_told_with_time_place_and_event() -> None:
    listening = Listening(scenario())
    listening.world.run(5)
    node = listening.nodes[1]
    unheard_of: object = MeshError("no event at all")
    submit = Submit(1, (PutRecord(RecordId("variable", "a"), {"value": unheard_of}), 7), "x")  # type: ignore[arg-type]
    with pytest.raises(
        PeerBroken, match=r"at 5\.000000 s n0001 broke on Submit: AttributeError: .*\(mesh\.records:\d+\)"
    ):
        node.tell(submit)
