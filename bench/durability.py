"""What SIGKILL at any moment costs: nothing that was acknowledged, and no start that needs hands."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import trio

from bench.measure import Measure, at_most
from mesh.client.client import MeshClient
from mesh.demo.processes import PeerProcess
from mesh.errors import MeshError
from mesh.runtime.identity import create_mesh, create_node

CYCLES = 200
IN_FLIGHT = 8
LIFE_S_MAX = 0.6  # From the first write to the kill.


class Ledger:
    """Every write that was acknowledged, over all lives of the peer."""

    def __init__(self) -> None:
        self.acknowledged: list[str] = []
        self.lost: list[str] = []
        self.failed_starts = 0
        self._next = 0

    async def live(self, url: str, life_s: float, peer: PeerProcess) -> None:
        """Check what earlier lives acknowledged, write until the kill, kill."""
        async with MeshClient([url], author="bench") as client:
            await self._check(client)
            async with trio.open_nursery() as nursery:
                for _ in range(IN_FLIGHT):
                    nursery.start_soon(self._write, client)
                await trio.sleep(life_s)
                peer.kill()

    async def _write(self, client: MeshClient) -> None:
        while True:
            self._next += 1
            key = f"kill/{self._next:07}"
            try:
                await client.put("variable", key, {"value": self._next})
            except (MeshError, OSError):
                return
            self.acknowledged.append(key)

    async def _check(self, client: MeshClient) -> None:
        here = {record.key for record in await client.records("variable", prefix="kill/", limit=1000)}
        self.lost += [key for key in self.acknowledged if key not in here and key not in self.lost]


async def kill_cycles(folder: Path, cycles: int, rng: Random) -> Ledger:
    """Start a peer, write to it, kill it; again and again."""
    create_mesh(folder / "mesh", "bench")
    create_node(folder / "a", "a", folder / "mesh")
    peer, ledger = PeerProcess(folder / "a", "a"), Ledger()
    for _ in range(cycles):
        try:
            await peer.start([])
        except MeshError:
            ledger.failed_starts += 1
            continue
        await ledger.live(peer.url, rng.random() * LIFE_S_MAX, peer)
        await peer.stop()
    return ledger


def measures(cycles: int = CYCLES) -> Iterator[Measure]:
    """The figures of durability."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = trio.run(kill_cycles, Path(folder), cycles, Random(1))
    detail: dict[str, float | int | str] = {"cycles": cycles, "acknowledged": len(ledger.acknowledged)}
    yield at_most("durability.lost_acknowledged", len(ledger.lost), 0, "writes", detail)
    yield at_most("durability.failed_starts", ledger.failed_starts, 0, "starts", detail)
