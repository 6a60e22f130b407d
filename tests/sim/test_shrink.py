"""A failing run becomes a small one that fails in the same way: with a disk that lies, and with a peer that is broken.

Invariant: faults are planted where they can be named, in scenarios that hold much else; what is found must be just them.
"""

from functools import partial

import pytest
from msgspec import Struct
from msgspec.structs import replace

from mesh.effects import Effect
from mesh.errors import UsageError
from mesh.events import Received
from mesh.messages import Batches
from mesh.peer import Event, Peer
from sim.breakage import LyingDisk
from sim.run import run
from sim.scenario import Scenario
from sim.shrink import shrink
from sim.simpler import over_at
from tests.sim.mesh import scenario

OTHERS = [
    {"kind": "crash", "at_s": 8, "restart_after_s": 2},
    {"kind": "partition", "at_s": 9, "heal_after_s": 3},
    {"kind": "slow-disk", "at_s": 8, "lasts_s": 4, "commit": {"law": "constant", "value_s": 0.1}},
]
MUCH = {"nodes": 5, "seconds": 22, "checks": {"every": 50, "grace_s": 2}}
WORK = {"writes_per_s": 4.0, "settle_s": 8.0, "buries": 0.1, "keys": 50}


class Verdict(Struct, frozen=True):
    """As much of a report as shrinking looks at."""

    seed: int
    failures: tuple[str, ...]


class Oblivious(Peer):
    """Loses the second batch of every writer on its way in."""

    def handle(self, event: Event, now: float) -> list[Effect]:
        if isinstance(event, Received) and isinstance(event.message, Batches):
            message = event.message
            kept = tuple(batch for batch in message.batches if len(batch.content) % 3)
            event = replace(event, message=replace(message, batches=kept))
        return super().handle(event, now)


def test_a_lying_disk_among_much_else_is_all_that_is_left() -> None:
    faults = [*OTHERS[:2], {"kind": "lying-disk", "at_s": 10, "count": 2}, *OTHERS[2:]]
    small = shrink(scenario(**MUCH, workload=WORK, faults=faults), 1, tries=40)
    assert [type(fault) for fault in small.scenario.faults] == [LyingDisk]
    assert small.scenario.nodes <= 3
    again = run(small.scenario, small.seed)
    assert again.failures == small.report.failures
    assert "was durable and is gone" in small.symptom


def test_a_broken_peer_needs_no_fault_at_all() -> None:
    broken = partial(run, make_peer=Oblivious)
    small = shrink(scenario(**MUCH, workload=WORK, faults=OTHERS), 1, broken, tries=60)
    assert (small.scenario.faults, small.scenario.nodes) == ((), 2)
    assert broken(small.scenario, small.seed).failures == small.report.failures
    assert run(small.scenario, small.seed).passed


class Squeamish(Peer):
    """Breaks on batches that come late."""

    def handle(self, event: Event, now: float) -> list[Effect]:
        if isinstance(event, Received) and isinstance(event.message, Batches):
            assert now < 9.0, "that is too much"
        return super().handle(event, now)


def test_time_is_cut_at_the_moment_when_it_is_seen_before_anything_else_is_tried() -> None:
    """Two runs like the first pay for time, faults and nodes, because what comes after the first cut is cheap."""
    late = [{"kind": "crash", "at_s": at, "restart_after_s": 2} for at in (60, 80, 100)]
    long = scenario(nodes=4, seconds=180, checks={"every": 500}, faults=[*OTHERS, *late], workload=WORK)
    small = shrink(long, 1, partial(run, make_peer=Squeamish), tries=2)
    assert (small.scenario.faults, small.scenario.nodes) == ((), 2)
    assert small.scenario.seconds < 12.0
    assert (small.spent <= 2.0, small.tries > 15) == (True, True)


def test_the_cut_keeps_all_that_came_before() -> None:
    later = [{"kind": "crash", "at_s": at, "within_s": 1, "restart_after_s": 20} for at in (8.5, 30)]
    faults = [*later, *OTHERS]
    long = scenario(nodes=5, seconds=60, faults=faults, workload=WORK)
    broken = partial(run, make_peer=Squeamish)
    before = broken(long, 1)
    [after] = [broken(cut, 1) for cut in over_at(long, before.sim_s)]
    assert (after.failures, after.trace_hash) == (before.failures, before.trace_hash)


def fails_if(made: Scenario, seed: int) -> Verdict:
    """A fault that needs two crashes and three nodes; with fewer nodes something else fails."""
    crashes = [fault for fault in made.faults if type(fault).__name__ == "Crash"]
    if made.nodes < 3:
        return Verdict(seed, ("something else",))
    return Verdict(seed, ("at 7.3 s n0004 broke",) if len(crashes) >= 2 else ())


def test_a_failure_of_another_kind_is_not_taken_for_this_one() -> None:
    crashes = [{"kind": "crash", "at_s": at, "restart_after_s": 1} for at in (8, 9, 10, 11, 12)]
    small = shrink(scenario(nodes=20, faults=[*crashes, *OTHERS]), 5, fails_if)  # type: ignore[arg-type]
    assert (small.scenario.nodes, len(small.scenario.faults), small.whole) == (3, 2, True)
    assert small.symptom == "at # s N broke"


def test_it_stops_when_it_has_run_often_enough() -> None:
    crashes = [{"kind": "crash", "at_s": at, "restart_after_s": 1} for at in (8, 9, 10, 11, 12)]
    small = shrink(scenario(nodes=20, faults=crashes), 5, fails_if, tries=2)  # type: ignore[arg-type]
    assert (small.spent <= 2.0, small.tries > 2, small.whole) == (True, True, False)
    assert small.report.failures == ("at 7.3 s n0004 broke",)


def test_a_run_that_passes_can_not_be_shrunk() -> None:
    with pytest.raises(UsageError, match="passes"):
        shrink(scenario(nodes=2, seconds=15, workload={"settle_s": 5.0}), 1)
