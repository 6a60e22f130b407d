"""Who reaches whom: the rows of all members that are here, beside each other.

Invariant: only what members say themselves is shown, and of those that can't be reached nothing.
"""

import time

import trio

from mesh.api.reading import SLICE_S
from mesh.api.shapes import ShowReach
from mesh.errors import NotFound
from mesh.ids import NodeId
from mesh.messages import Standing
from mesh.runtime.node import Node
from mesh.runtime.paths import reaching, read_reach
from mesh.runtime.reach import REACH_TOPIC, Reach
from mesh.runtime.rows import Reaching
from mesh.runtime.sightings import item_of, word

HERE = (word(Standing.ALIVE), word(Standing.SUSPECT))


async def show_reach(node: Node, params: ShowReach) -> Reaching:
    """Every path between members that are here, or those of one. Raises NotFound."""
    rows: dict[str, Reach | None] = {}
    end = time.perf_counter() + SLICE_S
    for member in node.members():
        if member.standing in HERE:
            rows[member.name] = read_reach(item_of(node.loop.peer, NodeId(bytes.fromhex(member.node)), REACH_TOPIC))
        if time.perf_counter() > end:
            await trio.lowlevel.checkpoint()
            end = time.perf_counter() + SLICE_S
    if params.member and params.member not in rows:
        raise NotFound(
            f"no member that is here is called {params.member!r}",
            field="member",
            todo="give a name that `mesh members` lists as alive",
        )
    return reaching(rows, params.member)
