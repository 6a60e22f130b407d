"""Whom a fault hits: so many by lot, a share, a region, whole racks, or exactly these.

Invariant: the choice depends on the fault, on who may be hit, and on the generator; it comes in the order in which lots are drawn.
"""

from collections.abc import Callable, Sequence
from random import Random

from sim.breakage import Hitting, Unit
from sim.network import Network
from sim.node import Node


def chosen(fault: Hitting, eligible: Sequence[Node], network: Network, rng: Random) -> list[Node]:
    """Those of `eligible` that `fault` hits."""
    if fault.nodes is not None:
        return [node for node in eligible if node.index in fault.nodes]
    if fault.region is not None:
        eligible = [node for node in eligible if network.places.region(node.index) == fault.region]
    groups = grouped(fault.unit, eligible, network)
    count = fault.count if fault.share is None else max(1, round(fault.share * len(groups)))
    return [node for group in rng.sample(groups, min(count, len(groups))) for node in group]


def grouped(unit: Unit, nodes: Sequence[Node], network: Network) -> list[list[Node]]:
    """Nodes that go together, in the order of their numbers."""
    key: dict[Unit, Callable[[Node], str | int]] = {
        "node": lambda node: node.index,
        "rack": lambda node: node.index // network.model.rack_nodes,
        "region": lambda node: network.places.region(node.index),
    }
    groups: dict[str | int, list[Node]] = {}
    for node in nodes:
        groups.setdefault(key[unit](node), []).append(node)
    return list(groups.values())
