"""Detection is timed from the crash, and only wrong verdicts count as wrong."""

from sim.run import run
from sim.scenario import Scenario
from tests.sim.mesh import Listening, scenario


def crash(**more: object) -> Scenario:
    return scenario(seconds=60, nodes=6, network={"loss": 0}, faults=[{"kind": "crash", "at_s": 10, **more}])


def test_a_crash_is_told_to_every_survivor_within_its_bounds() -> None:
    found = run(crash(), 1).metrics.detection
    assert (found.crashes, found.complete, found.partly, found.unseen) == (1, 1, 0, 0)
    assert found.first_s is not None
    assert found.last_s is not None
    assert 2.0 < found.first_s.max <= found.last_s.max < 12.0  # A confirmed suspicion lasts 2 s; probes come first.


def test_a_node_that_is_back_at_once_is_seen_by_nobody() -> None:
    found = run(crash(restart_after_s=0.5), 1).metrics
    assert (found.detection.unseen, found.false_downs) == (1, 0)


def test_who_dies_later_was_no_survivor() -> None:
    listening = Listening(crash(count=3))
    listening.world.run(50)
    assert [len(seen.survivors) for seen in listening.mesh.metrics.crashes] == [3, 3, 3]
    assert [len(seen.told_s) for seen in listening.mesh.metrics.crashes] == [3, 3, 3]


def test_verdicts_across_a_cut_are_not_wrong() -> None:
    cut = {"kind": "partition", "at_s": 10, "heal_after_s": 30}
    metrics = run(scenario(seconds=80, faults=[cut]), 1).metrics
    assert metrics.events["member.down"] >= 8
    assert metrics.false_downs == 0


def test_a_node_held_down_while_it_can_be_reached_is_counted() -> None:
    swim = {"profile": "swim"}  # The detector of our own does not make the mistake.
    bad = scenario(
        seconds=120, nodes=6, network={"loss": 0.7}, workload={"writes_per_s": 0}, checks={"grace_s": 0}, gossip=swim
    )
    metrics = run(bad, 1).metrics
    assert metrics.false_accusations > 0
    assert metrics.false_downs >= metrics.false_accusations
