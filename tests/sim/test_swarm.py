"""A swarm's scenarios are the same for ever, differ from each other, and ask for what the checks promise."""

import itertools
import os
import subprocess
import sys
from collections import Counter

import msgspec
import pytest

from sim.breakage import Fault, LyingDisk, Partition, end_of
from sim.geography import Site
from sim.library import load
from sim.run import run
from sim.scenario import Scenario, check_scenario
from sim.swarm import KINDS, SETTLE_S, swarm
from tests.sim.kinds import Kind, kinds_held, kinds_possible

SEEDS = range(1, 301)


def test_every_scenario_makes_sense_and_ends_with_silence() -> None:
    for seed in SEEDS:
        made = swarm(seed)
        check_scenario(made, made.name)
        assert all(end_of(fault, made.nodes) + SETTLE_S <= made.seconds for fault in made.faults)


def test_a_seed_is_one_scenario_and_survives_a_file() -> None:
    for seed in (1, 2, 3):
        assert swarm(seed) == swarm(seed) == msgspec.convert(msgspec.to_builtins(swarm(seed)), Scenario)
        assert msgspec.structs.replace(load(f"swarm:{seed}"), name="") == msgspec.structs.replace(swarm(seed), name="")


def test_all_kinds_of_faults_come_and_most_are_left_out_of_each() -> None:
    kinds: Counter[type[Fault]] = Counter(
        kind for seed in SEEDS for kind in {type(fault) for fault in swarm(seed).faults}
    )
    assert len(kinds) >= len(KINDS)
    assert max(kinds.values()) < len(SEEDS) / 2
    assert min(kinds.values()) >= 5


NEVER: dict[Kind, str] = {
    ("Scenario", "faults", LyingDisk): "no mesh keeps its promises on a disk that lies",
    ("Geographic", "sites", Site): "the same code as with the cities that are built in",
    ("LogNormal", "most_s", None): "what has no bound does not end in time",
    **{("RttFile", "unit", unit): "the packaged files are in milliseconds" for unit in ("s", "us")},
    **{
        ("GossipConfig", knob, False): "a paper's configuration, which promises less"
        for knob in ("adaptive_timeouts", "buddy", "feedback", "heed_stalls", "heed_streams", "nacks", "stream_probe")
    },
}


def test_all_that_a_scenario_may_hold_is_drawn_by_some_seed() -> None:
    """A new kind of fault, obstacle or law is drawn as well, or stands in `NEVER` with the reason."""
    drawn = {kind for seed in range(1, 2_001) for kind in kinds_held(swarm(seed))}
    assert kinds_possible(Scenario) - drawn == set(NEVER)


def test_one_cut_ends_before_the_next_begins() -> None:
    for seed in SEEDS:
        made = swarm(seed)
        cuts = [fault for fault in made.faults if isinstance(fault, Partition)]
        assert all(end_of(one, made.nodes) <= other.at_s for one, other in itertools.pairwise(cuts))


@pytest.mark.parametrize("seed", [9, 10, 14])
def test_a_swarm_keeps_the_meshs_promises(seed: int) -> None:
    report = run(swarm(seed), seed)
    assert report.passed, report.failures


HASHED = """
from sim.library import load
from sim.run import run
for number in (13, 38):
    print(run(load(f"swarm:{number}"), number).trace_hash)
"""


def test_a_swarm_gives_one_trace_under_any_hash_seed() -> None:
    traces = []
    for hash_seed in ("1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", HASHED]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
        traces.append(ended.stdout.split())
    assert traces[0] == traces[1]
    assert len(traces[0]) == 2
