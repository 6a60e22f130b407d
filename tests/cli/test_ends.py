"""An admin ends a node whose key was stolen: shown first, done with --yes, at every peer, and told to the node."""

import json
from pathlib import Path

import pytest

from mesh.errors import Refused
from mesh.ids import RecordId
from mesh.records import PutRecord
from tests.api.serving import attended
from tests.cli.test_main import Shell
from tests.runtime.meshes import make_folders, put, running, until

pytestmark = pytest.mark.live


async def test_what_a_node_wrote_is_taken_back_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folders(tmp_path, "ada", "bob")
    async with running(tmp_path, "ada", "bob") as (ada, bob), attended(ada):
        mesh = Shell(ada.url, capsys).run
        await put(ada, "x", 1)
        await until(lambda: ada.health().fingerprint == bob.health().fingerprint)
        kept = ada.health().fingerprint
        await put(bob, "x", 2)
        record = PutRecord(RecordId("variable", "y"), {"value": 2})
        receipt = await bob.submit((record,), "kim", {})
        await until(lambda: ada.health().token == bob.health().token)
        order = ("end", "bob", "--reason", "its key was stolen", "--mesh", str(tmp_path / "mesh"), "--author", "eva")
        table, said = await mesh(*order, code=1)
        assert ("variable/y" in table, "2 batches and 2 records would be taken back; give --yes" in said) == (
            True,
            True,
        )
        assert ada.health().fingerprint != kept
        assert "applied" in (await mesh("receipt", str(receipt.dot)))[0]
        _, said = await mesh(*order, "--yes")
        assert ("taken back: 2 batches of 1 writer;" in said, "bob is let in nowhere any more" in said) == (
            True,
            True,
        )
        assert ada.health().fingerprint == kept
        await until(lambda: bob.health().fingerprint == kept)
        with pytest.raises(Refused, match="eva has ended this node: its key was stolen"):
            await put(bob, "z", 3)
        table, _ = await mesh("receipt", str(receipt.dot), str(receipt.batch), code=1)
        assert (table.count("revoked"), table.count("eva"), table.count("its key was stolen")) == (2, 2, 2)
        table, said = await mesh("blame", "variable", "x")
        assert ("taken back by an end" in said, "by eva at" in table) == (True, True)
        table, said = await mesh("ends")
        assert ("bob" in table, "stolen" in table, said) == (True, True, "2 ends\n")
        changes = json.loads((await mesh("history", "variable", "x", "--json"))[0])["items"]
        assert [change["revoked"] for change in changes] == ["", "ended by eva: its key was stolen"]
        _, said = await mesh("end", "zoe", "--reason", "?", "--mesh", str(tmp_path / "mesh"), code=1)
        assert "no writer or node 'zoe'" in said


async def test_a_part_of_a_chain_is_named_by_its_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folders(tmp_path, "ada")
    async with running(tmp_path, "ada") as (ada,), attended(ada):
        mesh = Shell(ada.url, capsys).run
        for value in range(3):
            await put(ada, "x", value)
        writer = ada.loop.peer.ledger.writer.hex()
        order = ("end", writer[:8], "--reason", "a test", "--mesh", str(tmp_path / "mesh"))
        assert "1 batch and 1 record " in (await mesh(*order, "--after", "2", code=1))[1]
        assert "0 batches" in (await mesh(*order, "--after", "7", code=1))[1]
        await mesh(*order, "--after", "2", "--yes")
        shown = json.loads((await mesh("get", "variable", "x", "--json"))[0])
        assert shown["value"] == {"value": 1}
