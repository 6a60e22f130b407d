"""The command `mesh-sim vector`.

Invariant: one seed and one scenario print the same figures in any process.
"""

from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from mesh.errors import UsageError
from sim.experiments.worlds import quiet
from sim.extras import VECTORS, need
from sim.library import load
from sim.scenario import Scenario

NODES_EXACT_MAX = 20_000
WARM_S = 60.0  # Until links lie where they stay.


def spread_vector(
    *,
    seed: int,
    nodes: int = 1_000_000,
    items: int = 3,
    scenario: str = "regions19",
    exact: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
    changes: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
) -> int:
    """Let items spread through a mesh as large as you like, in a vectorised model of what real peers do.

    Parameters
    ----------
    seed
        One seed gives the same figures each time.
    nodes
        How many nodes.
    items
        How many items, each from an origin by lot.
    scenario
        Whose network and disks; its nodes, workload and faults do not matter.
    exact
        Also let real peers do it, and the model on their links, to compare the two.
    json
        Print one JSON object instead of tables.
    changes
        Change a value of the scenario: `network.loss=0.05`. May be given several times.
    """
    need(VECTORS, "the vectorised model")
    from sim.vector.spread import Outcome, compare, spread  # numba takes a second to be imported.

    if nodes < 2 or items < 1 or (exact and nodes > NODES_EXACT_MAX):
        raise UsageError(
            f"--nodes {nodes}, --items {items}: at least 2 and 1 were expected, with --exact at most {NODES_EXACT_MAX} nodes"
        )
    quiet_one = quiet_like(load(scenario, changes), nodes, items)
    outcome: Outcome = (compare if exact else spread)(quiet_one, seed, items)
    console = Console(soft_wrap=json, highlight=not json)
    console.print(msgspec.json.encode(outcome).decode() if json else _table(msgspec.to_builtins(outcome)), markup=False)
    return 0


def quiet_like(like: Scenario, nodes: int, items: int) -> Scenario:
    """A mesh that knows itself, where nothing but the items is said, with the network and the disks of `like`."""
    still = quiet(like.about, min(nodes, NODES_EXACT_MAX), WARM_S + items + 2.0, workload={"from_s": WARM_S})
    return msgspec.structs.replace(still, nodes=nodes, network=like.network, disk=like.disk, gossip=like.gossip)


def _table(told: dict[str, object]) -> Table:
    shown = {name: told.pop(name) for name in ("model", "exact")}
    columns = {name: part for name, part in shown.items() if isinstance(part, dict)}
    about = ", ".join(f"{name} {value}" for name, value in told.items())
    table = Table(title=about, caption="times from stored at the origin to shown at another node")
    for name in ("figure", *columns):
        table.add_column(name, justify="left" if name == "figure" else "right")
    for figure in columns["model"]:
        values = [part[figure] for part in columns.values()]
        table.add_row(figure, *("-" if value is None else f"{value:.3f}" for value in values))
    return table
