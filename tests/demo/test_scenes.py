"""Each scene works through the API alone, and measures what it says."""

from pathlib import Path

import pytest

from mesh.client.client import MeshClient
from mesh.demo import scenes
from mesh.errors import UsageError
from tests.api.serving import attended, two_peers
from tests.runtime.meshes import make_folders, running

EXAMPLE = Path(__file__).parents[2] / "examples" / "beamline.json"


async def test_an_import_spreads_units_and_again_changes_nothing(tmp_path: Path) -> None:
    make_folders(tmp_path, "a")
    async with running(tmp_path, "a") as (a,), attended(a), MeshClient([a.url]) as client:
        assert await scenes.import_file(client, EXAMPLE, ["a", "b", "c"]) > 0
        units = await client.records("unit")
        hosts = [str(unit.value["host"]) for unit in units]
        assert {host: hosts.count(host) for host in "abc"} == {"a": 7, "b": 7, "c": 7}
        await scenes.start_all(client)
        assert all(unit.value["desired"] == "START" for unit in await client.records("unit"))
        before = a.health().fingerprint
        await scenes.import_file(client, EXAMPLE, ["a", "b", "c"])
        assert a.health().fingerprint == before


async def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    make_folders(tmp_path, "a")
    async with running(tmp_path, "a") as (a,), attended(a), MeshClient([a.url]) as client:
        with pytest.raises(UsageError, match="cannot be read"):
            await scenes.import_file(client, tmp_path / "nothing.json", ["a"])


async def test_a_put_is_seen_by_a_watch_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "PUTS", 20)
    async with two_peers(tmp_path) as (at_a, at_b):
        seen: list[float] = []
        await scenes.put_to_watch(at_a, at_b, seen)
        assert len(seen) == 20
        assert all(second > 0 for second in seen)
