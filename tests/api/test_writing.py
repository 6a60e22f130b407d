"""One request becomes one batch, or nothing."""

from pathlib import Path

import pytest

from mesh.crdt.batch import decode_batch, open_batch
from mesh.crdt.replica import Table
from tests.api.serving import one_node, rpc_of

pytestmark = pytest.mark.live


async def test_several_operations_are_one_batch_or_nothing(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, http):
        ops = [{"op": "put", "collection": "variable", "key": key, "value": {"value": 1}} for key in ("a", "b")]
        assert (await http.post("/v1/records", json={"operations": ops})).json()["batch"].endswith(".1")
        before = node.health().fingerprint
        bad = [*ops, {"op": "patch", "collection": "variable", "key": "none", "patch": {"value": 2}}]
        assert (await http.post("/v1/records", json={"operations": bad})).status_code == 404
        assert node.health().fingerprint == before


async def test_author_reason_and_intent_stand_in_the_batch(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, _), rpc_of(node) as rpc:
        put = {"collection": "variable", "key": "x", "value": {"value": 1}}
        await rpc.call("records.put", **put, author="eva", reason="why", intent="move 7")
        with node.read() as reader:
            ((_, row),) = list(reader.scan(Table.BATCHES))
        content = open_batch(decode_batch(row), node.identity.mesh).content
        assert (content.author, content.about) == ("eva", {"reason": "why", "intent": "move 7"})
