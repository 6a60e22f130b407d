"""What the demonstration reads through each peer's own API.

Invariant: every figure comes from an answer of the peer that it is said of; nothing is assumed.
"""

from collections import Counter

import trio
from msgspec import Struct

from mesh.client.answers import Row
from mesh.client.client import MeshClient
from mesh.crdt.token import decode_token

MOVING_S_MAX = 12.0  # Most units cycle once a second, the slowest of a real site every ten seconds.
CONVERGED_S_MAX = 15.0
POLL_S = 0.05

Clients = dict[str, MeshClient]


class Reading(Struct, frozen=True):
    """One peer at one moment. `states` counts units by state; those of an unreachable peer count as `unreachable`."""

    name: str
    url: str
    alive: int
    states: dict[str, int]
    batches: int
    fingerprint: str


async def read_peer(name: str, client: MeshClient) -> Reading:
    """What one peer says now."""
    health = await client.health()
    states: Counter[str] = Counter()
    for row in await unit_rows(client):
        states[state_of(row) if row.reachable else "unreachable"] += 1
    return Reading(
        name, client.url, health.reachable, dict(states), sum(decode_token(health.token).values()), health.fingerprint
    )


async def unit_rows(client: MeshClient) -> list[Row]:
    """The board items of all units, as one peer knows them."""
    return await client.state("unit/")


def state_of(row: Row) -> str:
    """The unit state in a row."""
    return str(row.value.get("state")) if isinstance(row.value, dict) else "?"


async def record_keys(client: MeshClient, collection: str, prefix: str = "") -> list[str]:
    """The keys of all records of a collection at one peer."""
    return [record.key for record in await client.records(collection, prefix=prefix, limit=500)]


async def count_moving(client: MeshClient) -> int:
    """How many units of reachable owners show other values after a while than before."""
    before = {row.topic: _values(row) for row in await unit_rows(client) if row.reachable}
    moved: dict[str, None] = {}
    with trio.move_on_after(MOVING_S_MAX):
        while len(moved) < len(before):
            rows = [row for row in await unit_rows(client) if row.reachable]
            moved.update({row.topic: None for row in rows if row.topic in before and before[row.topic] != _values(row)})
            await trio.sleep(0.5)
    return len(moved)


def _values(row: Row) -> object:
    return row.value.get("values") if isinstance(row.value, dict) else None


async def wait_for_everybody(clients: Clients, count: int, timeout_s: float) -> bool:
    """Wait until each peer sees `count` members that can be reached."""
    with trio.move_on_after(timeout_s):
        for client in clients.values():
            while (await client.health()).reachable < count:
                await trio.sleep(POLL_S)
        return True
    return False


async def wait_for_agreement(clients: Clients) -> bool:
    """Wait until all fingerprints are equal."""
    with trio.move_on_after(CONVERGED_S_MAX):
        while len({(await client.health()).fingerprint for client in clients.values()}) > 1:
            await trio.sleep(POLL_S)
        return True
    return False
