"""Proofs over real sockets: every peer gives the same, and nobody gets one of what was never written."""

from pathlib import Path

import pytest

from mesh.errors import NotFound
from tests.api.serving import attended, client_of, two_peers
from tests.runtime.meshes import make_folders, running

pytestmark = pytest.mark.live


async def test_over_rest_and_for_nobody(tmp_path: Path) -> None:
    async with two_peers(tmp_path) as (at_a, at_b):
        first = await at_a.put("unit", "A", {"desired": "START"})
        await at_b.get("unit", "A", after=first.token, timeout_s=20)
        assert (await at_b.prove("unit", "A", "desired")).proof == (await at_a.prove("unit", "A", "desired")).proof
        with pytest.raises(NotFound, match="never was"):
            await at_a.prove("unit", "B", "desired")


async def test_rest_gives_the_same(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada")
    async with running(tmp_path, "ada") as (ada,), attended(ada), client_of(ada) as http:
        await http.put("/v1/records/unit/A/B", json={"desired": "START"})
        answer = (await http.get("/v1/proof/unit/A/B", params={"field": "desired", "chain": "true"})).json()
        assert (answer["values"], answer["chain"], answer["cut"]) == (1, 0, False)
