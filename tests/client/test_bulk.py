"""A large undertaking does each record once, whatever stops it, and never writes over what it has not seen."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.client import MeshClient
from mesh.client.answers import Changed, Record, Value
from mesh.client.bulk import BYTES_MAX, CHANGES_MAX, Step, Undertaking, Where, burying, groups, new_intent, patching
from mesh.client.client import as_expected
from mesh.errors import UsageError
from mesh.records import BURIED_DOTS_MAX
from mesh.runtime.node import Node
from tests.api.serving import attended, one_node, two_peers
from tests.runtime.meshes import make_folders, running, until

COUNT = 450  # More than two batches.


def record(key: str, value: Value) -> Record:
    return Record("unit", key, value, [], Changed("eva", 0.0), version="v")


@given(st.lists(st.tuples(st.integers(1, CHANGES_MAX + 9), st.integers(1, BYTES_MAX + 9)), max_size=30))
def test_groups_keep_the_order_and_their_bounds(given: list[tuple[int, int]]) -> None:
    steps = [Step(record(str(n), {}), {"n": n}, *sizes) for n, sizes in enumerate(given)]
    found = groups(steps)
    assert [step for group in found for step in group] == steps
    for group in found:
        assert len(group) == 1 or sum(step.changes for step in group) <= CHANGES_MAX
        assert len(group) == 1 or sum(step.size for step in group) <= BYTES_MAX


def test_a_record_is_asked_for_by_all_conditions() -> None:
    one = record("BTF/1", {"desired": "START", "labels": {"zone": "BTF"}, "a.b": 1})
    for where in (Where(), Where("BTF/", "", {"zone": "BTF"}, {"desired": "START", "labels.zone": "BTF"})):
        assert where.takes(one)
    for where in (
        Where("LINAC/"),
        Where(labels={"zone": "L"}),
        Where(fields={"desired": "STOP"}),
        Where(fields={"no": 1}),
    ):
        assert not where.takes(one)


def test_what_is_as_it_should_be_is_no_step() -> None:
    one = record("x", {"a": 1})
    assert patching({"a": 1})(one) is None
    step = patching({"a": 2})(one)
    assert step is not None
    assert (step.op["expect"], step.changes) == ({"version": "v"}, 1)


def test_expectations_may_be_short() -> None:
    assert [as_expected(given) for given in ("absent", "v", {"token": "t"})] == [
        {"absent": True},
        {"version": "v"},
        {"token": "t"},
    ]


async def filled(client: MeshClient, count: int = COUNT) -> None:
    for start in range(0, count, 200):
        keys = [f"U/{n:04}" for n in range(start, min(start + 200, count))]
        await client.submit([{"op": "put", "collection": "note", "key": key, "value": {"a": 1}} for key in keys])


@pytest.mark.live
async def test_many_records_are_changed_in_batches_and_previewed_first(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (ada, _), MeshClient([ada.url]) as client:
        await filled(client)
        seen: list[tuple[int, int]] = []
        work = Undertaking(client, "i", "why", lambda done, of: seen.append((done, of)))
        where = Where("U/", fields={"a": 1})
        steps, report = await work.plan("note", where, patching({"a": 2}))
        assert (len(steps), report.matched, (await client.get("note", "U/0000")).value) == (COUNT, COUNT, {"a": 1})
        report = await work.run("note", where, patching({"a": 2}))
        assert (report.changed, report.batches, seen[-1]) == (COUNT, 3, (COUNT, COUNT))
        assert {tuple(one.value.items()) for one in await client.records("note", limit=1000)} == {(("a", 2),)}
        found = await client.intent("i")
        assert [batch.position for batch in found.batches] == ["1-200/450", "201-400/450", "401-450/450"]


class Stopped(Exception):
    """The client was killed."""


@pytest.mark.live
async def test_what_was_stopped_is_finished_at_another_peer_and_each_record_is_done_once(tmp_path: Path) -> None:
    async with two_peers(tmp_path) as (at_a, at_b):
        await filled(at_a)

        def stop(done: int, of: int) -> None:
            raise Stopped

        with pytest.raises(Stopped):
            await Undertaking(at_a, "i", "", stop).run("note", Where("U/"), patching({"a": 2}))
        decided = await at_a.patch("note", "U/0000", {"a": 9}, reason="a person's later decision")
        await at_b.get("note", "U/0000", after=decided.token)
        report = await Undertaking(at_b, "i", "").run("note", Where("U/"), patching({"a": 2}))
        assert (report.done, report.changed) == (200, COUNT - 200)
        values = [one.value["a"] for one in await at_b.records("note", limit=1000)]
        assert values == [9] + [2] * (COUNT - 1)
        for key in ("U/0001", "U/0449"):
            mine = [row for row in (await at_b.history("note", key)).items if row.intent == "i"]
            assert len(mine) == 1
        assert (await Undertaking(at_b, "i", "").run("note", Where("U/"), patching({"a": 2}))).batches == 0


@pytest.mark.live
async def test_a_record_that_somebody_changes_meanwhile_is_decided_again(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (ada, _), MeshClient([ada.url]) as client, MeshClient([ada.url]) as other:
        await filled(client, 5)
        patch = patching({"a": 2})
        changed: list[str] = []

        work = Undertaking(client, "i", "")
        steps, _ = await work.plan("note", Where("U/", fields={"a": 1}), patch)
        for key, value in (("U/0001", {"a": 7}), ("U/0002", {"b": 1})):
            await other.patch("note", key, value)
            changed.append(key)
        await work._send(steps, Where("U/", fields={"a": 1}), patch)
        values = {one.key: one.value for one in await client.records("note")}
        assert values["U/0001"] == {"a": 7}
        assert values["U/0002"] == {"a": 2, "b": 1}
        assert [values[key] for key in sorted(values) if key not in changed] == [{"a": 2}] * 3


@pytest.mark.live
async def test_what_cannot_be_changed_is_named_and_the_rest_is_done(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (ada, _), MeshClient([ada.url]) as client:
        for key in "xyz":
            await client.put("unit", key, {"desired": "STOP"})
        await client.put("unit", "y", {"desired": "STOP", "attributes": {"a": {"min": 5}}})
        work = Undertaking(client, "i", "")
        report = await work.run("unit", Where(), patching({"attributes": {"a": {"max": 1}}}))
        assert (report.changed, list(report.refused), "above max" in report.refused["y"]) == (2, ["y"], True)
        shown = {one.key: one.value for one in await client.records("unit")}
        assert ["max" in str(shown[key]) for key in "xyz"] == [True, False, True]


@pytest.mark.live
async def test_a_bury_of_many_settles_a_record_with_too_many_live_changes_first(tmp_path: Path) -> None:
    make_folders(tmp_path, *"abcd")
    fields = {f"f{n}": 1 for n in range(BURIED_DOTS_MAX // 4 + 10)}
    names = list(fields)
    for number, name in enumerate("abcd"):
        async with running(tmp_path, name) as (node,), attended(node), MeshClient([node.url]) as client:
            for start in range(0, len(names), 200):
                part = dict.fromkeys(names[start : start + 200], number)
                op = {"op": "patch", "patch": part} if start else {"op": "put", "value": part}
                await client.submit([{**op, "collection": "note", "key": "x"}])
    async with running(tmp_path, *"abcd") as nodes:
        await until(lambda: len({node.health().fingerprint for node in nodes}) == 1)
        await buried(nodes[0])


async def buried(node: Node) -> None:
    async with attended(node), MeshClient([node.url]) as client:
        with pytest.raises(UsageError, match="live changes"):
            await client.bury("note", "x")
        report = await Undertaking(client, new_intent("bury"), "").run("note", Where("x"), burying)
        assert (report.changed, report.batches) == (1, 3)
        (row,) = await client.records("note", buried=True)
        assert row.conflicts == []
