"""Small real meshes for tests: real folders, real LMDB, real sockets on loopback, all in this process."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import trio

from mesh.config import Config, GossipConfig
from mesh.ids import RecordId
from mesh.records import PutRecord
from mesh.runtime.identity import create_mesh, create_node
from mesh.runtime.node import Node, Options
from mesh.runtime.start import open_node

QUICK = Config(
    gossip=GossipConfig(probe_interval_s=0.2, probe_timeout_s=0.1, suspicion_factor=2.0, redial_interval_s=0.5)
)
PATIENCE_S = 20.0  # For a machine under load; nothing waits this long where things work.


def make_folders(place: Path, *names: str) -> None:
    """A mesh folder and node folders in `place`."""
    create_mesh(place / "mesh", "test")
    for name in names:
        create_node(place / name, name, place / "mesh")


@asynccontextmanager
async def running(place: Path, *names: str, config: Config = QUICK) -> AsyncIterator[list[Node]]:
    """Nodes that have met each other."""
    async with AsyncExitStack() as stack:
        nodes: list[Node] = []
        for name in names:
            options = Options(seeds=tuple(node.address for node in nodes[:1]), config=config)
            nodes.append(await stack.enter_async_context(open_node(place / name, options)))
        await until(lambda: all(node.health().reachable == len(names) for node in nodes))
        yield nodes


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that is about to be true."""
    with trio.fail_after(PATIENCE_S):
        while not condition():
            await trio.sleep(0.005)


async def put(node: Node, key: str, value: object) -> str:
    """Write one variable; the token of the answer."""
    receipt = await node.submit((PutRecord(RecordId("variable", key), {"value": value}),), "test", {})
    return receipt.token


Scene = Callable[[list[Node]], Awaitable[None]]
