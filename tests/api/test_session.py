"""A websocket carries many requests at once, in two codecs, and hears when the peer stops."""

from pathlib import Path

import pytest

from mesh.api.session import WATCHES_MAX
from tests.api.serving import attended, one_node, rpc_of
from tests.runtime.meshes import make_folders, running

pytestmark = pytest.mark.live
X = {"collection": "variable", "key": "x"}


async def test_what_is_put_is_got(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, _), rpc_of(node) as rpc:
        receipt = await rpc.call("records.put", **X, value={"value": [1, {"a": None}]}, author="eva", reason="why")
        got = await rpc.call("records.get", **X, after=receipt["token"])
        assert (got["value"], got["conflicts"], got["token"]) == ({"value": [1, {"a": None}]}, [], receipt["token"])
        assert isinstance(got["changed"], dict)
        assert got["changed"]["author"] == "eva"


@pytest.mark.parametrize(
    ("method", "params", "code", "kind"),
    [
        ("records.got", {}, -32601, "unknown_method"),
        ("records.get", {"collection": "variable"}, -32602, "invalid"),
        ("records.get", {**X, "kee": 1}, -32602, "invalid"),
        ("records.get", {**X, "key": 1}, -32602, "invalid"),
        ("records.get", X, -32001, "not_found"),
        ("records.put", {**X, "value": {}}, -32004, "usage"),
        ("watch.open", {"collection": "Bad Name"}, -32004, "usage"),
        ("watch.open", {"kind": "members", "collection": "unit"}, -32602, "invalid"),
    ],
)
async def test_what_is_wrong_is_explained(
    tmp_path: Path, method: str, params: dict[str, object], code: int, kind: str
) -> None:
    async with one_node(tmp_path) as (node, _), rpc_of(node) as rpc:
        error = (await rpc.ask(method, **params))["error"]
        assert isinstance(error, dict)
        assert (error["code"], error["data"]["kind"], error["data"]["changed"]) == (code, kind, False)


async def test_a_fault_in_the_text_is_answered_without_an_id(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, _), rpc_of(node) as rpc:
        await rpc.socket.send_text('{"jsonrpc": "2.0",}')
        answer = await rpc.hear()
        assert isinstance(answer, dict)
        assert (answer["id"], answer["error"]["code"]) == (None, -32700)


async def test_a_batch_is_answered_by_one_message(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, _), rpc_of(node) as rpc:
        ask = {"jsonrpc": "2.0", "method": "health.get"}
        await rpc.say([ask | {"id": 1}, ask, {"jsonrpc": "2.0", "id": 2, "method": "none"}])
        answers = await rpc.hear()
        assert isinstance(answers, list)
        assert {answer["id"]: "result" in answer for answer in answers} == {1: True, 2: False}


async def test_one_that_waits_does_not_hold_up_the_others(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada", "bob")
    async with running(tmp_path, "ada") as (ada,), attended(ada), rpc_of(ada) as rpc:
        ahead = (await rpc.call("records.put", **X, value={"value": 1}))["token"]
    async with running(tmp_path, "bob") as (bob,), attended(bob), rpc_of(bob) as rpc:
        late = {
            "jsonrpc": "2.0",
            "id": "late",
            "method": "records.get",
            "params": {**X, "after": ahead, "timeout_s": 60},
        }
        await rpc.say(late)
        assert (await rpc.call("health.get"))["name"] == "bob"


async def test_watches_have_a_limit_and_can_be_closed(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, _), rpc_of(node) as rpc:
        numbers = [(await rpc.call("watch.open", kind="members"))["watch"] for _ in range(WATCHES_MAX)]
        error = (await rpc.ask("watch.open", kind="members"))["error"]
        assert isinstance(error, dict)
        assert error["data"]["kind"] == "busy"
        assert await rpc.call("watch.close", watch=numbers[0]) == {"closed": True}
        assert await rpc.call("watch.close", watch=numbers[0]) == {"closed": False}
        assert "watch" in await rpc.call("watch.open", kind="members")
