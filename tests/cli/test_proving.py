"""A proof is printed by a peer, and checked where there is none."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.cli.main import outcome
from mesh.client import MeshClient
from mesh.crdt.proof import BEGIN, END
from tests.api.serving import attended
from tests.cli.test_main import Shell, process
from tests.runtime.meshes import make_folders, put, running, until

pytestmark = pytest.mark.live


async def test_a_proof_is_checked_without_the_mesh(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folders(tmp_path, "ada")
    async with running(tmp_path, "ada") as (ada,), attended(ada):
        mesh = Shell(ada.url, capsys).run
        await mesh("put", "unit", "A/B", '{"desired": "START"}', "-m", "first light", "--author", "eva")
        await mesh("patch", "unit", "A/B", '{"desired": "STOP"}', "-m", "beam off", "--author", "tom")
        await mesh("patch", "unit", "A/B", '{"description": "x"}')
        text, said = await mesh("prove", "unit", "A/B", "desired")
        assert (text.startswith(BEGIN), text.endswith(END + "\n"), "1 signed value" in said) == (True, True, True)
        whole, said = await mesh("prove", "unit", "A/B", "desired", "--chain")
        assert "with 1 later batches" in said
        _, said = await mesh("prove", "unit", "A/B", "color", code=1)
        assert "its fields are" in said
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    ca, short, long = elsewhere / "ca.pem", elsewhere / "short.txt", elsewhere / "long.txt"
    ca.write_bytes((tmp_path / "mesh" / "ca.pem").read_bytes())
    short.write_text(text)
    long.write_text(whole)
    out, err = await process("verify-proof", str(short), "--ca", str(ca))
    for said in ('"STOP"', "author    tom", "node      ada", "beam off", "replaced  "):
        assert said in out
    assert ("first light" in out, "that no later value exists" in err) == (False, True)
    out, _ = await process("verify-proof", "-", "--ca", str(ca), stdin=whole.encode())
    assert ('"START", by eva' in out, "none of the 1 later ones" in out) == (True, True)
    assert outcome(["verify-proof", str(long), "--ca", str(ca), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["proven"], found["values"][0]["replaced"][0]["author"]) == (True, "eva")


async def test_a_conflict_is_proven_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folders(tmp_path, "ada", "bob")
    for name, value in (("ada", 1), ("bob", 2)):
        async with running(tmp_path, name) as (alone,):
            await put(alone, "x", value)
    async with running(tmp_path, "ada", "bob") as (ada, bob), attended(ada), MeshClient([ada.url]) as client:
        await until(lambda: ada.health().fingerprint == bob.health().fingerprint)
        found = await client.prove("variable", "x", "value", chain=True)
        assert found.values == 2
    file = tmp_path / "proof.txt"
    file.write_text(found.proof)
    assert outcome(["verify-proof", str(file), "--ca", str(tmp_path / "mesh" / "ca.pem")]) == 0
    out = capsys.readouterr().out
    assert ("2 values" in out, "node      ada" in out, "node      bob" in out) == (True, True, True)


async def test_what_is_wrong_is_said_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folders(tmp_path, "ada")
    make_folders(tmp_path / "foreign", "eve")
    async with running(tmp_path, "ada") as (ada,), attended(ada), MeshClient([ada.url]) as client:
        await client.put("unit", "A", {"desired": "START"})
        text = (await client.prove("unit", "A", "desired")).proof
    ca = str(tmp_path / "mesh" / "ca.pem")
    file = tmp_path / "proof.txt"
    file.write_text(text)
    for arguments, said in (
        ([str(file)], "the certificate of the mesh's CA was expected"),
        ([str(file), "--ca", str(tmp_path / "none.pem")], "No such file"),
        ([str(file), "--ca", str(file)], "is no certificate"),
        ([str(file), "--ca", str(tmp_path / "ada" / "node.pem")], "CA did not sign it"),
        ([str(file), "--ca", str(tmp_path / "foreign" / "mesh" / "ca.pem")], "and the CA is that of mesh"),
        ([str(tmp_path / "none.txt"), "--ca", ca], "No such file"),
        ([ca, "--ca", ca], "proves nothing"),
    ):
        assert outcome(["verify-proof", *arguments]) == 1, arguments
        assert said in capsys.readouterr().err
    lines = text.splitlines()
    middle = len(lines) // 2
    lines[middle] = lines[middle][::-1]
    file.write_text("\n".join(lines))
    assert outcome(["verify-proof", str(file), "--ca", ca]) == 1
    assert "proves nothing" in capsys.readouterr().err


@given(raw=st.binary(max_size=200))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_is_answered_with_a_sentence(tmp_path: Path, raw: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    if not (tmp_path / "mesh").exists():
        make_folders(tmp_path)
    file = tmp_path / "proof.txt"
    file.write_bytes(raw)
    assert outcome(["verify-proof", str(file), "--ca", str(tmp_path / "mesh" / "ca.pem")]) == 1
    said = capsys.readouterr().err
    assert ("proves nothing" in said, "mistake of ours" in said) == (True, False)
