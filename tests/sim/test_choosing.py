"""Faults hit so many, a share, a region, racks, or exactly those named."""

from random import Random

import pytest

from sim.choosing import chosen
from tests.sim.mesh import Listening, scenario

SITES = {"model": "regions", "names": ["a", "b"], "rtt_s": [[0, 0.01], [0.01, 0]], "weights": [3, 1]}


@pytest.fixture(scope="module")
def mesh() -> Listening:
    return Listening(scenario(nodes=12, network={"rack_nodes": 4, "delays": SITES}))


def hit(mesh: Listening, **fault: object) -> list[int]:
    [made] = scenario(nodes=12, faults=[{"kind": "crash", "at_s": 1, **fault}]).faults
    return sorted(node.index for node in chosen(made, mesh.nodes, mesh.mesh.network, Random(1)))  # type: ignore[arg-type]


def test_so_many_or_a_share_or_exactly_these(mesh: Listening) -> None:
    assert len(hit(mesh, count=5)) == 5
    assert len(hit(mesh, share=0.25, count=5)) == 3
    assert len(hit(mesh, share=0.01)) == 1
    assert hit(mesh, nodes=[3, 9], share=0.5) == [3, 9]


def test_a_rack_goes_as_a_whole(mesh: Listening) -> None:
    assert hit(mesh, unit="rack") in ([0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11])
    assert len(hit(mesh, unit="rack", count=2)) == 8


def test_a_region_goes_as_a_whole_or_in_part(mesh: Listening) -> None:
    region = [node.index for node in mesh.nodes if mesh.mesh.network.places.region(node.index) == "b"]
    assert len(region) == 3
    assert hit(mesh, region="b", count=12 - 1) == region
    assert set(hit(mesh, region="b", count=2)) < set(region)
    assert hit(mesh, unit="region", count=1) in (region, sorted(set(range(12)) - set(region)))
