"""The workload writes at its rate, anywhere, and falls silent in time."""

from math import sqrt

from mesh.crdt.view import scan_records
from sim.run import run
from tests.sim.mesh import Listening, scenario


def test_writes_come_at_their_rate_and_end_before_the_settling() -> None:
    made = scenario(workload={"writes_per_s": 10.0, "from_s": 5, "settle_s": 10})
    listening = Listening(made)
    listening.world.run(40)
    entries = listening.mesh.metrics.journal.entries
    assert abs(len(entries) - 250) < 4 * sqrt(250)
    assert 5 <= entries[0].submitted_at <= entries[-1].submitted_at < 30
    assert sorted({entry.index for entry in entries}) == [0, 1, 2, 3]


def test_every_write_has_its_own_value_and_shows() -> None:
    listening = Listening(scenario(workload={"writes_per_s": 5.0, "keys": 3}))
    listening.world.run(40)
    with listening.nodes[0].disk.replica.read() as reader:
        shown = [record.fields()["value"] for record in scan_records(reader, "variable")]
    numbers = range(len(listening.mesh.metrics.journal.entries))
    assert len(shown) == len(set(map(str, shown))) == 3
    assert all(value in numbers for value in shown)


def test_a_mesh_without_work_is_fine() -> None:
    report = run(scenario(workload={"writes_per_s": 0}), 1)
    assert report.passed
    assert report.metrics.writes.submitted == 0
    assert report.metrics.propagation.peer_s is None


def test_boards_are_published_at_their_interval() -> None:
    listening = Listening(scenario(workload={"publish_interval_s": 5.0}, network={"loss": 0}))
    listening.world.run(40)
    peer = listening.nodes[0].peer
    assert peer is not None
    versions = [board.version for board in peer.boards.owners().values()]
    assert all(version in (5, 6) for version in versions)  # A node that starts late misses its first moment.


def test_boards_of_several_topics_change_by_deltas_and_lose_topics_again() -> None:
    listening = Listening(scenario(workload={"publish_interval_s": 1.0, "topics": 12}, network={"loss": 0.1}))
    listening.world.run(29.0)
    peer = listening.nodes[0].peer
    assert peer is not None
    boards = list(peer.boards.owners().values())
    assert any(signed.delta.start > 0 for board in boards for signed in board.chain)
    assert all(1 < len(board.items) < 12 for board in boards)
    listening.world.run(40.0)
    held = [node.peer.boards.owners() for node in listening.nodes if node.peer is not None]
    said = [[(owner, board.version, dict(board.items)) for owner, board in sorted(one.items())] for one in held]
    assert said.count(said[0]) == 4
