"""Rows laid beside each other tell which way of a path fails, and real peers give such rows where one way is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.messages import Standing
from mesh.runtime.paths import ROWS_MAX, Rows, find_faults, reaching, read_reach
from mesh.runtime.reach import Reach, reach
from mesh.runtime.rows import PathFault
from tests.sim.mesh import Listening, scenario

WELL = Reach({"b": 1})
CASES: list[tuple[Reach | None, Reach | None, list[tuple[str, str, str]]]] = [
    (Reach({"b": 1}), Reach({"a": 1}), []),
    (Reach({}, ["b"], ["b"]), Reach({}, ["a"]), [("a", "b", "one-way")]),
    (Reach({}, ["b"]), Reach({}, ["a"], ["a"]), [("b", "a", "one-way")]),
    (Reach({}, ["b"]), Reach({}, ["a"]), [("a", "b", "both-ways")]),
    (Reach({}, ["b"], ["b"]), Reach({}, ["a"], ["a"]), [("a", "b", "unanswered"), ("b", "a", "unanswered")]),
    (Reach({}, ["b"]), Reach({"a": 1}), [("a", "b", "unanswered")]),
    (Reach({}, ["b"], ["b"]), None, [("a", "b", "one-way")]),
    (Reach({}, ["b"]), None, [("a", "b", "unanswered")]),
    (None, Reach({}, ["a"]), [("b", "a", "unanswered")]),
    (Reach({"b": 1}, [], [], ["b"]), Reach({"a": 1}), [("a", "b", "streams")]),
    (Reach({}, ["gone"]), Reach({"a": 1}), []),
]


@pytest.mark.parametrize(("a", "b", "faults"), CASES)
def test_what_fails_is_concluded_from_both_rows(
    a: Reach | None, b: Reach | None, faults: list[tuple[str, str, str]]
) -> None:
    assert find_faults({"a": a, "b": b}) == [PathFault(*fault) for fault in faults]


names = st.sampled_from("abcde")
rows = st.builds(Reach, st.dictionaries(names, st.just(1)), *(st.lists(names, unique=True) for _ in range(3)))


@given(st.dictionaries(names, st.none() | rows), names)
def test_each_fault_is_told_once_and_of_members_that_are_here(given: Rows, wanted: str) -> None:
    faults = find_faults(given)
    assert len({(fault.one, fault.other, fault.how) for fault in faults}) == len(faults)
    assert all(fault.one in given and fault.other in given for fault in faults)
    lost = [frozenset((fault.one, fault.other)) for fault in faults if fault.how in ("one-way", "both-ways")]
    assert len(set(lost)) == len(lost)
    assert {(fault.one, fault.other) for fault in reaching(given, wanted).faults} == {
        (fault.one, fault.other) for fault in faults if wanted in (fault.one, fault.other)
    }


def test_of_a_large_mesh_those_with_a_fault_are_shown() -> None:
    large: dict[str, Reach | None] = {f"n{number:03}": Reach() for number in range(ROWS_MAX + 1)}
    large["n007"], large["n009"], large["n011"] = Reach({}, ["n009"], ["n009"]), Reach({}, ["n007"]), None
    found = reaching(large)
    assert [row.name for row in found.items] == ["n007", "n009"]
    assert (found.members, found.said) == (ROWS_MAX + 1, ROWS_MAX)
    assert [row.said for row in reaching(large, "n011").items] == [False]


def test_what_a_later_version_says_more_is_passed_over_and_nonsense_too() -> None:
    assert read_reach({"reached": {"b": 1}, "colour": "red"}) == WELL
    assert read_reach({"reached": 3}) is None
    assert read_reach(None) is None


def faults_in(mesh: Listening) -> list[PathFault]:
    peers = [node.peer for node in mesh.nodes if node.peer is not None]
    return find_faults({peer.roster.own.claim.name: reach(peer, Reach()) for peer in peers})


@pytest.mark.parametrize("plane", ["datagrams", "all"])
def test_a_path_that_is_cut_one_way_is_seen_by_both_ends_and_holds_nobody_down(plane: str) -> None:
    cut = {
        "kind": "loss",
        "at_s": 5.0,
        "lasts_s": 60.0,
        "nodes": [1],
        "towards": [3],
        "direction": "out",
        "plane": plane,
    }
    made = scenario(nodes=5, seconds=120.0, workload={"writes_per_s": 0.0}, checks={"every": 100}, faults=[cut])
    mesh = Listening(made)
    mesh.world.run(60.0)
    assert faults_in(mesh)[:1] == [PathFault("n0001", "n0003", "one-way")]
    standings = [m.standing for node in mesh.nodes if node.peer is not None for m in node.peer.roster.members()]
    assert set(standings) <= {Standing.ALIVE, Standing.SUSPECT}
    mesh.world.run(110.0)
    assert faults_in(mesh) == []
    assert mesh.count("member.down") == 0


def test_both_ends_of_a_path_that_is_cut_one_way_know_it_within_two_rounds() -> None:
    members, paths = 32, [(number, number + 1) for number in range(0, 32, 2)]
    about = {"kind": "loss", "at_s": 5.0, "lasts_s": 90.0, "direction": "out", "plane": "datagrams"}
    cuts = [{**about, "nodes": [one], "towards": [other]} for one, other in paths]
    quiet = {"writes_per_s": 0.0, "publish_interval_s": 60.0}
    mesh = Listening(
        scenario(
            nodes=members, seconds=110.0, start={"known": True}, workload=quiet, checks={"every": 5000}, faults=cuts
        )
    )
    mesh.world.run(5.0 + 2 * members + 9)
    told = [fault for fault in faults_in(mesh) if fault.how == "one-way"]
    assert told == [PathFault(f"n{one:04}", f"n{other:04}", "one-way") for one, other in paths]
    assert mesh.count("member.down") == 0


def test_a_lossy_mesh_has_no_such_paths() -> None:
    mesh = Listening(scenario(nodes=6, seconds=120.0, network={"loss": 0.02}, workload={"writes_per_s": 0.0}))
    told = []
    for at in range(20, 120, 10):
        mesh.world.run(float(at))
        told += faults_in(mesh)
    assert told == []
