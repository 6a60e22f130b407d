"""Ends through the API: previewed, carried out only with the admin's signature, and listed with it."""

from pathlib import Path

import pytest
import trio

from mesh.client import MeshClient
from mesh.crdt.branches import read_tree
from mesh.crdt.ends import DOMAIN, End, sign_end
from mesh.ids import NO_BATCH
from mesh.runtime.identity import load_admin
from tests.api.serving import one_node
from tests.runtime.meshes import put

pytestmark = pytest.mark.live


async def test_only_the_admins_signature_counts(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (ada, http):
        await put(ada, "x", 1)
        ledger = ada.loop.peer.ledger
        found = (await http.get("/v1/ends/preview?whose=ada")).json()
        assert (found["batches"], found["items"]) == (1, ["variable/x"])
        admin = load_admin(tmp_path / "mesh")
        made = End(DOMAIN, admin.mesh, ledger.writer, 0, NO_BATCH, b"", "a test", "eva", 7)
        for sign, status in ((ada.loop.peer.trust.sign, 409), (admin.sign, 200)):
            signed = sign_end(made, sign)
            body = {"ends": [{"content": signed.content.hex(), "signature": signed.signature.hex()}]}
            answer = await http.post("/v1/ends", json=body)
            assert answer.status_code == status, answer.text
            assert ledger.is_ended == (status == 200)
        (row,) = (await http.get("/v1/ends")).json()["items"]
        assert (row["peer"], row["batches"], row["reason"], row["author"]) == ("ada", 1, "a test", "eva")
        assert bytes.fromhex(row["signature"]) == signed.signature


async def test_who_watches_gets_what_comes_back(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (ada, _), MeshClient([ada.url]) as client:
        await put(ada, "x", 1)
        await put(ada, "y", 1)
        ledger, admin = ada.loop.peer.ledger, load_admin(tmp_path / "mesh")
        (tip,) = ledger.durable.heads()
        with ada.read() as reader:
            first = read_tree(reader).head_at(ledger.durable.lines[ledger.writer], 1)
        held: dict[str, object] = {}
        token = ""
        with trio.fail_after(20):
            async with client.watch("variable") as events:
                async for event in events:
                    token = event.token or token
                    if event.type == "RESET":
                        held.clear()
                    elif event.type in ("SNAPSHOT", "CREATE", "UPDATE"):
                        held[event.key] = event.value
                    if event.type == "SYNC" and len(held) == 2:
                        made = End(DOMAIN, admin.mesh, tip.writer, 1, first.hash, b"", "a test", "eva", 7)
                        await ada.take_ends((sign_end(made, admin.sign),))
                    elif event.type == "SYNC":
                        break
            assert list(held) == ["x"]
