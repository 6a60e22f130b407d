"""Undo over real sockets: previewed, carried out in batches of one intent, resumed, and itself undone."""

from pathlib import Path

import pytest

from mesh.api.undoing import BATCH_CHANGES_MAX, packets
from mesh.client import MeshClient
from mesh.crdt.batch import Kind
from mesh.crdt.cell import Sibling
from mesh.crdt.undo import Step
from mesh.errors import UsageError
from mesh.ids import Dot, RecordId, WriterId
from tests.api.serving import attended, client_of, one_node, two_peers
from tests.runtime.meshes import make_folders, running, until

A, B, C = ("unit", "A"), ("unit", "B"), ("unit", "C")


def test_packets_fit_a_batch_and_keep_records_together() -> None:
    gone = Sibling(Dot(WriterId(b"w"), 1, 0, b""), 1, "eve", Kind.PUT, b"\x01")
    groups = [
        [Step(RecordId("unit", f"{number}"), f"f{index}", Kind.CLEAR, b"", (), (), gone) for index in range(50)]
        for number in range(5)
    ]
    found = list(packets(groups))
    assert [len(packet) for packet in found] == [50] * 5
    small = [group[:10] for group in groups]
    assert [len(packet) for packet in packets(small)] == [30, 20]
    assert [step for packet in found for step in packet] == [step for group in groups for step in group]
    (whole,) = groups[:1]
    large = list(packets([whole * 6]))
    assert [len(packet) for packet in large] == [BATCH_CHANGES_MAX, BATCH_CHANGES_MAX, 300 - 2 * BATCH_CHANGES_MAX]
    heavy = [Step(RecordId("unit", "x"), "f", Kind.PUT, bytes(30_000), (), (), gone)] * 3
    assert [len(packet) for packet in packets([heavy])] == [1, 1, 1]
    assert list(packets([])) == []


@pytest.mark.live
async def test_one_authors_work_is_taken_back_and_anothers_is_kept(tmp_path: Path) -> None:
    async with (
        one_node(tmp_path) as (ada, _),
        MeshClient([ada.url], author="eva") as eva,
        MeshClient([ada.url], author="tom") as tom,
    ):
        await eva.put(*A, {"desired": "START", "description": "first"})
        await eva.put(*B, {"desired": "START"})
        since = 5  # Eva's writes are in the window too, and not Tom's.
        await tom.patch(*A, {"desired": "STOP", "description": "second", "labels": {"zone": "X"}})
        await tom.bury(*B)
        await tom.put(*C, {"desired": "START"})
        await eva.patch(*A, {"description": "third"})
        before = await eva.get(*A)
        preview = await eva.undo("tom", since, preview=True)
        assert (preview.state, preview.changes, preview.records, preview.batches) == ("preview", 4, 3, [])
        said = {(row.key, row.field): (row.does, row.value) for row in preview.items}
        assert said == {
            ("A", "desired"): ("put", "START"),
            ("A", "labels.zone"): ("clear", None),
            ("B", ""): ("restore", None),
            ("C", ""): ("bury", None),
        }
        (kept,) = preview.kept_items
        assert (kept.key, kept.field, kept.reason, kept.by.author if kept.by else "") == (
            "A",
            "description",
            "later work",
            "eva",
        )
        assert (await eva.get(*A)).value == before.value
        done = await eva.undo("tom", since, until=preview.until, reason="")
        assert (done.state, done.items, done.kept_items, len(done.batches)) == (
            "done",
            preview.items,
            preview.kept_items,
            2,
        )
        assert (await eva.get(*A)).value == {"desired": "START", "description": "third"}
        assert {row.key for row in await eva.records("unit")} == {"A", "B"}
        newest = (await eva.history(*A)).items[-1]
        assert (newest.author, newest.intent) == ("eva", done.intent)
        assert newest.reason.startswith("undo of what tom wrote")
        again = await eva.undo("tom", since, until=preview.until, intent=done.intent)
        assert (again.changes, again.batches) == (0, [])
        assert {row.reason for row in again.kept_items} == {"later work", "it is taken back already"}
        back = await tom.undo("eva", newest.at, key="A", collection="unit")
        assert back.state == "done"
        assert (await eva.get(*A)).value == {"desired": "STOP", "description": "third", "labels": {"zone": "X"}}


@pytest.mark.live
async def test_a_large_undo_is_several_batches_of_one_intent(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (ada, _), MeshClient([ada.url], author="tom") as tom:
        await tom.put("unit", "kept", {"description": "x"})
        operations = [
            {"op": "put", "collection": "unit", "key": f"{n:03}", "value": {"description": "x"}} for n in range(200)
        ]
        await tom.submit(operations)
        done = await tom.undo("tom", 5, collection="unit", prefix="0", limit=3)
        assert (done.changes, done.records, len(done.items), len(done.batches)) == (100, 100, 3, 4)
        done = await tom.undo("tom", 5, collection="unit", prefix="1")
        done = await tom.undo("tom", 5, collection="unit")
        assert await tom.records("unit") == []
        assert done.kept == 200
        again = await tom.undo("tom", done.since, until=done.until, collection="unit", intent=done.intent)
        assert again.changes == 0


@pytest.mark.live
async def test_what_a_rule_forbids_is_kept_and_says_so(tmp_path: Path) -> None:
    async with (
        one_node(tmp_path) as (ada, _),
        MeshClient([ada.url], author="eva") as eva,
        MeshClient([ada.url], author="tom") as tom,
    ):
        attribute = {"type": "double", "min": 0, "max": 10}
        await eva.put("dataset", "D", {"attributes": {"current": attribute}})
        await tom.put("dataset", "D", {"attributes": {"current": {**attribute, "max": 20}}})
        assert (await eva.undo("tom", 5)).changes == 1
        assert (await eva.get("dataset", "D")).value["attributes"]["current"]["max"] == 10


@pytest.mark.live
async def test_a_write_on_the_other_side_of_a_cut_becomes_a_conflict(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada", "bob")
    async with running(tmp_path, "ada", "bob") as (ada, bob), attended(ada), MeshClient([ada.url], author="tom") as tom:
        await tom.put(*A, {"desired": "START"})
        await tom.patch(*A, {"desired": "STOP"})
        await until(lambda: ada.health().fingerprint == bob.health().fingerprint)
    async with running(tmp_path, "bob") as (bob,), attended(bob), MeshClient([bob.url], author="eva") as eva:
        await eva.patch(*A, {"description": "y", "desired": "DEINIT"})
    async with running(tmp_path, "ada") as (ada,), attended(ada), MeshClient([ada.url], author="eva") as eva:
        newest = (await eva.history(*A)).items[-1]
        done = await eva.undo("tom", newest.at, until=newest.at)
        assert done.changes >= 1
    async with running(tmp_path, "ada", "bob") as (ada, bob), attended(ada), MeshClient([ada.url]) as client:
        await until(lambda: ada.health().fingerprint == bob.health().fingerprint)
        shown = await client.conflicts()
        late = [edit.value for row in shown for edit in row.late]
        values = [value.value for row in shown for conflict in row.conflicts for value in conflict.values]
        assert "DEINIT" in [*late, *values]


@pytest.mark.live
async def test_a_window_that_makes_no_sense_is_explained(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (ada, _), MeshClient([ada.url]) as client, client_of(ada) as http:
        for since, given in ((9e9, {}), (5, {"until": 4}), ("AYA", {}), ("2026-11-21", {}), (5, {"prefix": "A"})):
            with pytest.raises(UsageError) as caught:
                await client.undo("tom", since, **given)
            assert (bool(caught.value.field), bool(caught.value.todo)) == (True, True)
        with pytest.raises(UsageError, match="an author"):
            await client.undo("", 5)
        body = {"whose": "nobody", "since": 5, "preview": True}
        answer = (await http.post("/v1/undo", json=body)).json()
        assert (answer["state"], answer["changes"], answer["kept"]) == ("preview", 0, 0)


@pytest.mark.live
async def test_every_peer_shows_what_an_undo_left(tmp_path: Path) -> None:
    async with two_peers(tmp_path) as (at_a, at_b):
        first = await at_a.put(*A, {"desired": "START"})
        await at_b.get(*A, after=first.token, timeout_s=20)
        done = await at_b.undo("anonymous", 5)
        assert done.changes == 1
        found = await at_a.show_at(*A, done.token)
        assert found.standing == "buried"
