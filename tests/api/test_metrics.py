"""Metrics: what Prometheus reads of a node."""

from pathlib import Path

from tests.api.serving import one_node


async def test_a_node_tells_what_it_holds_and_that_it_lacks_nothing(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (_, http):
        lines = (await http.get("/metrics")).text.splitlines()
    assert "mesh_writers 0.0" in lines
    assert "mesh_applied_batches_total 0.0" in lines
    assert "mesh_missing_batches 0.0" in lines
