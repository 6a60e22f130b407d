"""A batch says at every peer what is left of it, and an intent what it has done."""

from pathlib import Path

import pytest
import trio

from mesh.api.transactions import read_named
from mesh.client.client import MeshClient
from mesh.errors import NotFound, UsageError
from mesh.runtime.rows import Receipt
from tests.api.serving import one_node, two_peers

pytestmark = pytest.mark.live


@pytest.mark.parametrize("given", ["", "x", "00.1", "0" * 32, "0" * 32 + ".0", "0" * 32 + ".1.2"])
def test_what_is_no_batch_is_refused(given: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_named(given)
    assert refused.value.field == "batch"


async def test_a_transaction_of_which_a_part_was_overwritten_is_marked_at_every_peer(tmp_path: Path) -> None:
    ops = [
        {"op": "put", "collection": "variable", "key": key, "value": {"value": 1, "unit": "A"}} for key in ("x", "y")
    ]
    async with two_peers(tmp_path) as (at_a, at_b):
        first = await at_a.submit(ops, reason="set up", intent="i-1", position="1/1")
        await at_b.get("variable", "x", after=first.token)
        second = await at_b.patch("variable", "y", {"value": 2}, reason="measured")
        await at_a.get("variable", "y", after=second.token)
        for client in (at_a, at_b):
            found = await client.transaction(first.batch or "")
            assert (found.standing, found.live, found.reason, found.intent) == ("partly superseded", 3, "set up", "i-1")
            (gone,) = [change for change in found.changes if not change.live]
            assert (gone.key, gone.field, gone.value) == ("y", "value", 1)
            (by,) = gone.replaced_by
            assert (by.value, by.reason, by.peer) == (2, "measured", "b")
            assert (await client.transaction(by.dot)).standing == "current"
            rows = (await client.history("variable", "y")).items
            said = [(row.field, row.live, row.batch_standing) for row in rows]
            assert sorted(said) == [
                ("unit", True, "partly superseded"),
                ("value", False, "partly superseded"),
                ("value", True, "current"),
            ]
            intent = await client.intent("i-1")
            assert [(row.key, row.fields) for row in intent.records] == [(key, ["unit", "value"]) for key in "xy"]
            assert [(batch.position, batch.fate, batch.changes) for batch in intent.batches] == [("1/1", "applied", 4)]
            assert (await client.intent("i")).batches == []
            with pytest.raises(NotFound):
                await client.transaction("0" * 32 + ".1")


async def test_the_same_is_asked_over_rest(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (_, http):
        headers = {"Mesh-Intent": "big/one", "Mesh-Position": "1/1"}
        receipt = (await http.put("/v1/records/variable/x", json={"value": 1}, headers=headers)).json()
        found = (await http.get(f"/v1/transactions/{receipt['batch']}")).json()
        assert (found["standing"], found["position"]) == ("current", "1/1")
        assert len((await http.get("/v1/intents/big/one")).json()["batches"]) == 1
        assert (await http.get("/v1/transactions/x")).status_code == 422


async def test_writes_in_flight_at_once_share_batches_and_are_shown_each_alone(tmp_path: Path) -> None:
    receipts: dict[str, Receipt] = {}

    async def put(client: MeshClient, key: str) -> None:
        receipts[key] = await client.put("variable", key, {"value": 1}, reason="set up")

    async with two_peers(tmp_path) as (at_a, at_b):
        await at_a.put("variable", "first", {"value": 0})  # It may have to wait until the node has looked around.
        async with trio.open_nursery() as nursery:
            for key in "stuvwxyz":
                nursery.start_soon(put, at_a, key)
        assert len({receipt.dot for receipt in receipts.values()}) == 8
        batches = [receipt.batch for receipt in receipts.values()]
        shared = max(dict.fromkeys(batches), key=batches.count) or ""
        one, gone, *_ = [key for key, receipt in receipts.items() if receipt.batch == shared]
        second = await at_a.put("variable", gone, {"value": 2})
        await at_b.get("variable", gone, after=second.token)
        for client in (at_a, at_b):
            found = {key: await client.transaction(receipts[key].dot or "") for key in (one, gone)}
            assert [[change.key for change in write.changes] for write in found.values()] == [[one], [gone]]
            assert [write.standing for write in found.values()] == ["current", "superseded"]
            assert (await client.transaction(shared)).standing == "partly superseded"
            (row,) = (await client.history("variable", one)).items
            assert (row.batch_standing, row.reason) == ("current", "set up")
            (state,) = await client.receipts([receipts[gone].dot or ""])
            assert (state.dot, state.state) == (receipts[gone].dot, "applied")
