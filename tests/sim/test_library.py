"""Scenarios are found by name and by path, and can be changed by path and value."""

from pathlib import Path
from typing import get_args

import pytest
from msgspec.structs import replace

from mesh.errors import UsageError
from sim.breakage import ChurnTrace, Fault, LyingDisk, Slow
from sim.delays import DelayModel
from sim.library import load, packaged
from sim.packaged import read_named
from sim.run import resized, run


def test_the_packaged_scenarios_are_these() -> None:
    assert packaged() == [
        "bit-rot",
        "blocked",
        "by-hand",
        "churn-poisson",
        "churn-trace",
        "churn-weibull",
        "clock-jumps",
        "copied-disk",
        "crash",
        "crash-lost-disk",
        "disk-full",
        "flip-flop",
        "frozen",
        "lossy",
        "mass-restart",
        "moved",
        "narrow",
        "nat",
        "one-way-cut",
        "partition",
        "partition-long",
        "planes",
        "racks",
        "regions19",
        "rollback",
        "rolling-restart",
        "rough",
        "rtt-matrix",
        "rtt-triples",
        "slow-members",
        "smoke",
        "steady",
        "tree",
        "two-meshes",
        "wan",
    ]


@pytest.mark.parametrize("name", packaged())
def test_every_packaged_scenario_decodes_and_says_what_it_is(name: str) -> None:
    scenario = load(name)
    assert scenario.name == name
    assert scenario.about


def test_every_kind_that_a_scenario_may_hold_is_shown_by_a_packaged_one() -> None:
    kinds = {*get_args(Fault), *get_args(DelayModel)} - {LyingDisk}  # No mesh keeps its promises on a disk that lies.
    made = [load(name) for name in packaged()]
    shown = {type(fault) for one in made for fault in one.faults} | {type(one.network.delays) for one in made}
    assert kinds <= shown
    assert {fault.mode for one in made for fault in one.faults if isinstance(fault, Slow)} == {
        "gate",
        "freeze",
        "block",
    }


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("bit-rot", "storage.mended"),
        ("blocked", "member.suspect"),
        ("by-hand", "member.restarted"),
        ("churn-poisson", "member.restarted"),
        ("churn-trace", "member.restarted"),
        ("rough", "member.refuted"),
        ("rtt-matrix", "member.restarted"),
        ("rtt-triples", "member.restarted"),
    ],
)
def test_what_a_packaged_scenario_breaks_is_noticed_and_no_promise_with_it(name: str, event: str) -> None:
    report = run(load(name), 1)
    assert report.passed, report.failures
    assert report.metrics.events[event] > 0


def test_a_file_beside_a_scenario_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("churn-trace.toml", "churn-trace.csv"):
        (tmp_path / name).write_text(read_named(f"packaged:{name}"), "utf-8")
    beside = load(str(tmp_path / "churn-trace.toml")).faults[0]
    assert isinstance(beside, ChurnTrace)
    assert beside.file == str(tmp_path / "churn-trace.csv")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "churn-trace.toml").unlink()
    assert load("churn-trace").faults[0] == replace(beside, file="packaged:churn-trace.csv")


def test_a_file_is_found_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("about = 'mine'\nnodes = 3\n", "utf-8")
    assert (load(str(path)).name, load(str(path)).nodes) == ("mine", 3)


def test_values_are_changed_by_their_path() -> None:
    changes = ("network.loss=0.25", "faults.0.at_s=12", "about=quiet", "gossip.probe_interval_s = 2")
    scenario = load("crash", changes)
    assert (scenario.network.loss, scenario.faults[0].at_s, scenario.about) == (0.25, 12, "quiet")
    assert scenario.gossip.probe_interval_s == 2


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("nowhere", "", "there is no such file"),
        ("crash", "nodes", "KEY=VALUE was expected"),
        ("crash", "faults.9.at_s=1", "no such place"),
        ("crash", "nodes.x=1", "no such place"),
        ("crash", "network.los=1", "unknown field `los`"),
    ],
)
def test_what_cannot_be_is_said(name: str, change: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load(name, (change,) if change else ())


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("nodes = = 3", "utf-8")
    with pytest.raises(UsageError, match=r"broken\.toml: TOML was expected"):
        load(str(path))


def test_other_sizes_are_checked_like_a_file() -> None:
    assert resized(load("steady"), 7, 60.0).nodes == 7
    with pytest.raises(UsageError, match="at nodes"):
        resized(load("steady"), 0, None)
    with pytest.raises(UsageError, match="too few"):
        resized(load("crash"), None, 100.0)
