"""A node's files from the command line: verified, kept, put back."""

import json
import shutil
from functools import partial
from pathlib import Path

import pytest
import trio

from bench.hatchery import Hatchery, hatchery
from mesh.cli.main import outcome
from mesh.client.client import MeshClient
from mesh.demo.processes import peers, seeds_for
from mesh.demo.readings import wait_for_agreement, wait_for_everybody
from tests.runtime.meshes import make_folders, put, running

PATIENCE_S = 60.0

pytestmark = pytest.mark.live


async def test_verify_backup_and_recover(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folders(tmp_path, "ada")
    folder, target = str(tmp_path / "ada"), str(tmp_path / "backup")
    async with running(tmp_path, "ada") as (ada,):
        await put(ada, "x", 1)
        assert outcome(["verify", folder]) == 1
        assert "in use by process" in capsys.readouterr().err
    assert outcome(["backup", folder, target, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["backup"]["batches"] == 1
    async with running(tmp_path, "ada") as (ada,):
        await put(ada, "y", 2)
    assert outcome(["recover", target, folder, "--preview"]) == 0
    said = capsys.readouterr()
    assert "nothing was changed" in said.out
    assert "comes back from the peers" in said.err
    assert outcome(["recover", target, folder]) == 0
    assert "ledger.replaced-1" in capsys.readouterr().out
    assert outcome(["verify", folder]) == 0
    assert "whole: 1 batch of" in capsys.readouterr().out


async def test_a_preview_says_what_a_living_peer_has_beyond_the_backup_and_all_of_it_comes_back(tmp_path: Path) -> None:
    """Real processes from end to end: backup, more writes, a lost disk, a preview against a peer, recovery."""
    async with (
        hatchery() as hatching,
        peers(tmp_path, ["a", "b"], hatching.spawn) as (a, b),
        MeshClient([a.url]) as at_a,
        MeshClient([b.url]) as at_b,
    ):
        mesh = partial(said_by, hatching, tmp_path / "said")
        clients = {"a": at_a, "b": at_b}
        assert await wait_for_everybody(clients, 2, PATIENCE_S)
        await at_a.put("variable", "kept", {"value": 1})
        await at_a.put("variable", "changed", {"value": 1})
        await at_a.put("variable", "buried", {"value": 1})
        await mesh("backup", tmp_path / "a", tmp_path / "backup")
        await at_a.put("variable", "changed", {"value": 2})
        await at_a.bury("variable", "buried")
        await at_a.put("variable", "lost", {"value": 3})
        assert await wait_for_agreement(clients)
        wanted = (await at_b.health()).fingerprint
        await a.stop()
        said = json.loads(
            await mesh("recover", tmp_path / "backup", tmp_path / "a", "--preview", "--at", b.url, "--json")
        )
        peer = said["peer"]
        assert (peer["peer"], peer["lacking"], peer["own"], peer["ahead"]) == ("b", 3, 3, 0)
        assert peer["missing"] == ["variable/lost"]
        assert peer["changed"] == ["variable/changed"]
        assert peer["extra"] == ["variable/buried"]
        told = await mesh("recover", tmp_path / "backup", tmp_path / "a", "--preview", "--at", b.url)
        assert "variable/lost: not in the backup" in told
        assert "b has 3 batches that the backup lacks, 3 of them this node's own" in told
        shutil.rmtree(tmp_path / "a" / "data")
        await mesh("recover", tmp_path / "backup", tmp_path / "a")
        await a.start(seeds_for(a, [a, b]))
        async with MeshClient([a.url]) as again:
            clients["a"] = again
            assert await wait_for_everybody(clients, 2, PATIENCE_S)
            assert await wait_for_agreement(clients)
            assert (await again.health()).fingerprint == wanted
            await again.put("variable", "after", {"value": 4})
            assert await wait_for_agreement(clients)
            assert (await again.health()).writers == 2, "it writes under a new identity"


async def said_by(hatching: Hatchery, journal: Path, *words: object) -> str:
    """What a command of its own process prints."""
    async with await trio.open_file(journal, "ab") as errors:
        process = await hatching.spawn(list(map(str, words)), errors.wrapped)
    printed = b"".join([piece async for piece in process.stdout])
    await process.wait()
    return printed.decode()


async def test_damage_is_named_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folders(tmp_path, "ada")
    folder = tmp_path / "ada"
    async with running(tmp_path, "ada") as (ada,):
        await put(ada, "x", "a value")
    file = folder / "data" / "ledger" / "data.mdb"
    file.write_bytes(file.read_bytes().replace(b"a value", b"a valve"))
    assert outcome(["verify", str(folder)]) == 1
    said = capsys.readouterr()
    assert "NOT whole" in said.out
    assert "variable/x field value" in said.out
    assert "to do:" in said.err
    assert outcome(["verify", str(folder), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["whole"] is False
