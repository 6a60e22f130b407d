"""What the demonstration reads through each peer's own API.

Invariant: every figure comes from an answer of the peer that it is said of; nothing is assumed.
"""

from collections import Counter

import trio
from msgspec import Struct

from mesh.client.client import MeshClient
from mesh.errors import MeshError

MOVING_S = 3.0  # A unit cycles once a second and its board goes out once a second.
PAGE = 200


class Reading(Struct, frozen=True):
    """One peer at one moment. `states` counts units by state; unreachable ones count as `unreachable`."""

    name: str
    url: str
    alive: int
    states: dict[str, int]
    batches: int
    fingerprint: str


Clients = dict[str, MeshClient]


async def read_peer(name: str, client: MeshClient, url: str) -> Reading:
    """What one peer says now."""
    health = await client.call("health.get")
    states: Counter[str] = Counter()
    for row in await state_rows(client):
        states[str(row["value"]["state"]) if row["reachable"] else "unreachable"] += 1
    return Reading(
        name=name,
        url=url,
        alive=health["reachable"],
        states=dict(states),
        batches=sum_of(health["token"]),
        fingerprint=health["fingerprint"],
    )


def sum_of(token: str) -> int:
    """How many batches a token covers."""
    from mesh.crdt.token import decode_token

    return sum(decode_token(token).values())


async def state_rows(client: MeshClient, prefix: str = "unit/") -> list[dict[str, object]]:
    """All items of all boards below `prefix`, as one peer knows them."""
    rows = await client.call("state.list", prefix=prefix)
    return list(rows["items"])
