"""Blame tells what an end took of a record, beside what is shown of it now."""

from pathlib import Path

import pytest

from mesh.client import MeshClient
from mesh.errors import NotFound
from tests.api.serving import two_peers
from tests.api.test_receipts import ended, until_revoked

pytestmark = pytest.mark.live


async def test_what_an_end_took_is_told_with_who_and_why(tmp_path: Path) -> None:
    async with two_peers(tmp_path) as (at_a, at_b):
        theirs = await at_a.put("variable", "x", {"value": 1, "unit": "A"})
        await at_b.get("variable", "x", after=theirs.token, timeout_s=20)
        await at_b.patch("variable", "x", {"value": 2})
        await at_b.patch("variable", "x", {"value": 3})
        written = await at_b.put("variable", "y", {"value": 4})
        await at_a.get("variable", "y", after=written.token, timeout_s=20)
        assert (await at_a.blame("variable", "x")).revoked == []
        end = ended(tmp_path, written)
        await at_b.add_ends([(end.content, end.signature)])
        for client in (at_a, at_b):
            await until_revoked(client, [str(theirs.dot), str(written.dot)])
            await assert_told(client)


async def assert_told(client: MeshClient) -> None:
    found = await client.blame("variable", "x")
    assert [(row.field, row.value) for row in found.items] == [("unit", "A"), ("value", 1)]
    (row,) = found.revoked
    assert (row.field, row.value, row.peer) == ("value", 3, "b")
    assert row.end is not None
    assert (row.end.author, row.end.reason, row.end.number) == ("eva", "its key was stolen", 0)
    gone = await client.blame("variable", "y")
    assert (gone.items, [row.value for row in gone.revoked]) == ([], [4])
    with pytest.raises(NotFound, match="never was"):
        await client.blame("variable", "z")
