"""A receipt tells by itself that an admin's end has taken what it stood for: who ended it, and why."""

from pathlib import Path

import pytest
import trio

from mesh.client import MeshClient
from mesh.client.transaction_answers import ReceiptState
from mesh.crdt.ends import DOMAIN, End, SignedEnd, sign_end
from mesh.ids import NO_BATCH, read_dot
from mesh.runtime.identity import load_admin
from mesh.runtime.rows import Receipt
from tests.api.serving import one_node, rpc_of, two_peers

pytestmark = pytest.mark.live


async def test_a_receipt_turns_revoked_at_every_peer_asked_or_watched(tmp_path: Path) -> None:
    async with two_peers(tmp_path) as (at_a, at_b):
        theirs = await at_a.put("variable", "x", {"value": 1}, reason="first")
        await at_b.get("variable", "x", after=theirs.token, timeout_s=20)
        written = await at_b.patch("variable", "x", {"value": 2}, reason="a thief's")
        names = [str(theirs.dot), str(written.dot)]
        held: dict[str, str] = {}
        with trio.fail_after(20):
            async with at_a.watch_receipts(names) as events:
                async for event in events:
                    if isinstance(event.value, dict):
                        held[event.key] = event.value["state"]
                    if held == {names[0]: "applied", names[1]: "applied"}:
                        end = ended(tmp_path, written)
                        await at_a.add_ends([(end.content, end.signature)])
                    if held.get(names[1]) == "revoked":
                        assert (event.author, event.reason) == ("eva", "its key was stolen")
                        break
        assert held == {names[0]: "applied", names[1]: "revoked"}
        await at_b.get("variable", "x", after=theirs.token, timeout_s=20)
        for client in (at_a, at_b):
            first, second, third = await until_revoked(client, [*names, str(written.batch)])
            assert (first.state, first.end) == ("applied", None)
            assert second.end is not None
            assert (second.end.author, second.why) == ("eva", "ended by eva: its key was stolen")
            assert (third.state, third.dot) == ("revoked", written.dot)


def ended(place: Path, receipt: Receipt) -> SignedEnd:
    """The admin's end of the writer that a receipt names."""
    admin = load_admin(place / "mesh")
    writer = read_dot(str(receipt.dot)).writer
    return sign_end(End(DOMAIN, admin.mesh, writer, 0, NO_BATCH, b"", "its key was stolen", "eva", 7), admin.sign)


async def until_revoked(client: MeshClient, names: list[str]) -> list[ReceiptState]:
    """What a peer says of the receipts, once it has heard of the end."""
    with trio.fail_after(20):
        async with client.watch_receipts([names[1]]) as events:
            async for event in events:
                if isinstance(event.value, dict) and event.value["state"] == "revoked":
                    break
    return await client.receipts(names)


async def test_what_a_peer_never_had_is_unknown_until_an_end_speaks_of_it(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (ada, http), rpc_of(ada) as rpc:
        name = f"{'ab' * 16}.3"
        (row,) = (await http.get(f"/v1/receipts/{name}")).json()["items"]
        assert (row["state"], row["end"]) == ("unknown", None)
        admin = load_admin(tmp_path / "mesh")
        made = End(DOMAIN, admin.mesh, bytes.fromhex("ab" * 16), 0, NO_BATCH, b"", "a test", "eva", 7)  # type: ignore[arg-type]
        await ada.take_ends((sign_end(made, admin.sign),))
        (row,) = (await http.get(f"/v1/receipts/{name}")).json()["items"]
        assert (row["state"], row["end"]["author"]) == ("revoked", "eva")
        assert (await http.get("/v1/receipts/x")).status_code == 422
        for params in ({"batches": []}, {"batches": [name], "prefix": "x"}):
            answer = await rpc.ask("watch.open", kind="receipts", **params)
            assert "a watch of receipts takes batches" in str(answer["error"])
