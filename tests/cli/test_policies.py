"""Policies and batches on the terminal."""

import json
from pathlib import Path

import pytest

from mesh.cli.policies import name_of
from tests.api.test_conflicts import disagreeing
from tests.cli.test_main import Shell


def test_policies_of_different_fields_have_different_names() -> None:
    given = [
        ("", "", ""),
        ("unit", "", ""),
        ("unit", "BTF/", ""),
        ("unit", "BTF", ""),
        ("unit", "a:b", "c"),
        ("unit", "a", "b:c"),
    ]
    assert len({name_of(*one) for one in given}) == len(given)
    assert name_of("unit", "BTF/", "labels.*") == "unit:BTF%2f:labels.*"


@pytest.mark.live
async def test_a_policy_is_set_listed_explained_and_followed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with disagreeing(tmp_path) as (ada, _):
        mesh = Shell(ada.url, capsys).run
        assert "stored" in (await mesh("policy", "set", "ask", "--collection", "variable", "--field", "value"))[0]
        out, _ = await mesh("policy", "list")
        assert ("variable:*:value" in out, "(built in)" in out) == (True, True)
        assert json.loads((await mesh("policy", "list", "--json"))[0])[0]["rule"] == "ask"
        out, said = await mesh("policy", "explain", "variable", "x", "value")
        assert ("variable:*:value" in out, "withheld" in said) == (True, True)
        assert (await mesh("policy", "explain", "variable", "x", "value", "--json"))[0].startswith("{")
        out, said = await mesh("get", "variable", "x")
        assert (json.loads(out), "nothing is shown until it is settled" in said) == ({}, True)
        assert "withheld (ask)" in (await mesh("conflicts", "variable"))[0]
        await mesh("policy", "set", "max", "--collection", "variable", "--field", "value")
        assert json.loads((await mesh("get", "variable", "x"))[0]) == {"value": 2}
        assert "shown (max)" in (await mesh("conflicts", "variable"))[0]
        assert "one of show-latest" in (await mesh("policy", "set", "vote", code=1))[1]


@pytest.mark.live
async def test_a_batch_tells_what_is_left_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with disagreeing(tmp_path) as (ada, _):
        mesh = Shell(ada.url, capsys).run
        receipt = json.loads((await mesh("put", "note", "n", '{"a": 1, "b": 1}', "-m", "set up", "--json"))[0])
        assert "current: 2 of 2 changes hold" in (await mesh("batch", receipt["batch"]))[0]
        await mesh("patch", "note", "n", '{"b": 2}')
        out, said = await mesh("batch", receipt["batch"])
        assert ("partly superseded: 1 of 2" in out, "replaced" in out, "because set up" in said) == (True, True, True)
        assert json.loads((await mesh("batch", receipt["batch"], "--json"))[0])["standing"] == "partly superseded"
        assert "partly superseded" in (await mesh("history", "note", "n"))[0]
        await mesh("batch", "nonsense", code=1)
