"""A disk that was put back as it had been, behind the guards' backs: two lives of one writer, and both keep what they wrote."""

from pathlib import Path

import pytest

from mesh.cli.main import outcome
from mesh.client import MeshClient
from tests.api.serving import attended
from tests.cli.test_main import Shell
from tests.runtime.meshes import make_folders, put, running, until

pytestmark = pytest.mark.live


def saved(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


async def test_two_lives_of_one_disk_are_both_kept_and_told_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_folders(tmp_path, "ada", "bob", "eve")
    async with running(tmp_path, "eve") as (eve,):
        await put(eve, "x", 0)
    before = saved(tmp_path / "eve")
    async with running(tmp_path, "ada", "eve") as (ada, eve):
        await put(eve, "x", 1)
        await until(lambda: ada.health().token == eve.health().token)
    for file, content in before.items():  # In place: neither the file's identity nor the counter beside it tells.
        file.write_bytes(content)
    async with running(tmp_path, "eve") as (eve,):
        await put(eve, "x", 2)
        written_as = eve.loop.peer.ledger.writer
    async with running(tmp_path, "ada", "bob", "eve") as nodes, attended(nodes[0]):
        await until(lambda: len({node.health().fingerprint for node in nodes}) == 1)
        await until(lambda: all(node.loop.peer.ledger.durable.branches for node in nodes))
        assert nodes[2].loop.peer.ledger.writer != written_as
        async with MeshClient([nodes[0].url]) as client:
            (fork,) = await client.forks()
            assert (fork.peer, fork.number, len(fork.branches)) == ("eve", 2, 2)
            (row,) = await client.conflicts("variable")
            assert sorted(value.value for value in row.conflicts[0].values) == [1, 2]
            (tmp_path / "proof").write_text((await client.prove("variable", "x", "value", chain=True)).proof)
            assert outcome(["verify-proof", str(tmp_path / "proof"), "--ca", str(tmp_path / "mesh" / "ca.pem")]) == 0
            assert "2 values" in capsys.readouterr().out
            receipt = await client.put("variable", "x", {"value": 3})
            assert await nodes[2].wait_until_covered(receipt.token, 20)
        table, said = await Shell(nodes[0].url, capsys).run("forks")
        assert ("eve" in table, "1 forks: a disk was copied" in said) == (True, True)
