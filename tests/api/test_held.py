"""What waits and what is void, over real sockets: who, since when, why, and what can be done."""

from pathlib import Path

import pytest

from mesh.client import MeshClient
from mesh.crdt.batch import SEMANTICS
from mesh.errors import NotFound, UsageError
from mesh.ids import RecordId
from tests.api.serving import attended, client_of
from tests.api.strangers import Scribe
from tests.crdt.site import put as change
from tests.runtime.meshes import make_folders, running

pytestmark = pytest.mark.live
RECORD = RecordId("unit", "A/B/C")


async def test_a_held_writer_is_listed_with_what_it_waits_for_and_tried_again(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada", "eve", "kim")
    eve, kim = Scribe(tmp_path / "eve"), Scribe(tmp_path / "kim")
    first = kim.next(change(RECORD, "description", "x"))
    kim.next()
    async with running(tmp_path, "ada") as (ada,), attended(ada), MeshClient([ada.url]) as client:
        await kim.tell(ada, first)
        await eve.tell(ada, eve.next(change(RECORD, "desired", "START"), after=(kim.head,)), eve.next())
        found = await client.held()
        (row,) = found.items
        assert (row.writer, row.number, row.last, row.batches, found.batches) == (eve.writer.hex(), 1, 2, 2, 2)
        assert (row.author, row.reason) == ("scribe", f"waits for batch 2 of writer {kim.writer.hex()}")
        assert (row.needs.writer, row.needs.number) == (kim.writer.hex(), 2)
        assert len(row.may_have) == 2
        assert not any(one.reachable for one in row.may_have)
        assert row.since is not None
        assert row.bytes == found.bytes > 0
        assert found.batches_max > found.per_writer_max > 0
        assert (await client.retry_held(row.writer[:8])).items == found.items
        for given in ("none", "0" * 32):
            with pytest.raises(NotFound, match="no writer"):
                await client.retry_held(given)
        again = Scribe(tmp_path / "kim")
        again.next(change(RECORD, "description", "x"))
        await again.tell(ada, again.next())
        assert (await client.retry_held()).items == []
        assert (await client.get("unit", "A/B/C")).value == {"description": "x", "desired": "START"}


async def test_a_batch_of_newer_rules_is_told_from_one_that_waits(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada", "eve", "kim")
    eve, kim = Scribe(tmp_path / "eve"), Scribe(tmp_path / "kim")
    async with running(tmp_path, "ada") as (ada,), attended(ada), client_of(ada) as http:
        await eve.tell(ada, eve.next(semantics=SEMANTICS + 1))
        await kim.tell(ada, kim.next(semantics=SEMANTICS + 1))
        rows = (await http.get("/v1/held")).json()["items"]
        assert all("newer than ours" in row["reason"] for row in rows)
        assert [(row["needs"], row["may_have"]) for row in rows] == [(None, []), (None, [])]
        assert (await http.post("/v1/held/retry", json={"writer": eve.writer.hex()})).json()["items"] == rows
        assert (await http.post("/v1/held/retry", json={})).json()["items"] == rows
        shared = await http.post("/v1/held/retry", json={"writer": "zz"})
        assert (shared.status_code, shared.json()["kind"]) == (404, "not_found")


async def test_void_batches_are_listed_in_pages_with_the_rule_that_they_broke(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada", "eve")
    eve = Scribe(tmp_path / "eve")
    async with running(tmp_path, "ada") as (ada,), attended(ada), MeshClient([ada.url]) as client:
        await eve.tell(ada, eve.next(change(RECORD, "desired", "START")))
        await eve.tell(ada, *(eve.next(change(RECORD, "desired", "STOP"), stamp=1) for _ in range(3)))
        found = await client.void()
        assert [row.number for row in found] == [2, 3, 4]
        assert {row.reason for row in found} == {"its stamp is not above its predecessor's"}
        assert {(row.author, row.said, *row.records) for row in found} == {("scribe", "because", "unit/A/B/C")}
        assert await client.void(page=1) == await client.void(page=2) == found
        with pytest.raises(UsageError, match="earlier page"):
            await client.call("void.list", after_key="x")
        assert (await client.held()).items == []
