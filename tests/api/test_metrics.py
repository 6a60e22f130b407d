"""What Prometheus scrapes is what the node knows at that moment."""

from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mesh.runtime.meter import BOUNDS_MS
from tests.api.serving import one_node
from tests.runtime.meshes import put

pytestmark = pytest.mark.live


async def scraped(http: httpx2.AsyncClient) -> dict[tuple[str, str], float]:
    """(sample, its labels' values) -> value."""
    families = text_string_to_metric_families((await http.get("/metrics")).text)
    return {(s.name, " ".join(s.labels.values())): s.value for family in families for s in family.samples}


async def test_a_node_tells_what_it_holds_and_that_it_lacks_nothing(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (_, http):
        lines = (await http.get("/metrics")).text.splitlines()
    assert "mesh_writers 0.0" in lines
    assert "mesh_applied_batches_total 0.0" in lines
    assert "mesh_missing_batches 0.0" in lines
    assert "mesh_storage_reader_lag 0.0" in lines
    assert "mesh_storage_damaged_rows 0.0" in lines
    assert "mesh_storage_scrubs_total 0.0" in lines


async def test_requests_members_and_batches_are_counted(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, http):
        await put(node, "x", 1)
        for _ in range(2):
            await http.get("/v1/health")
        found = await scraped(http)
        assert (
            found["mesh_members", "alive"] == found["mesh_writers", ""] == found["mesh_applied_batches_total", ""] == 1
        )
        asked = [
            value for (name, about), value in found.items() if name == "mesh_api_requests_total" and "health" in about
        ]
        assert asked == [2]


@pytest.mark.parametrize("name", ["mesh_loop_step_seconds", "mesh_loop_turn_seconds", "mesh_gc_pause_seconds"])
async def test_how_long_the_loop_was_held_is_a_histogram(tmp_path: Path, name: str) -> None:
    async with one_node(tmp_path) as (node, http):
        found = await scraped(http)
        buckets = [value for (sample, _), value in found.items() if sample == f"{name}_bucket"]
        assert len(buckets) == len(BOUNDS_MS) + 1
        assert buckets == sorted(buckets)
        assert found[f"{name}_count", ""] == buckets[-1]
        loop = node.health().loop
        assert loop.step.p50 <= loop.step.p99 <= loop.step.max
        assert loop.turn.max > 0
