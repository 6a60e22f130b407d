"""Peers of two versions in one mesh: the older ones serve what they don't know, and keep and pass on what they can't apply.

Invariant: both versions are packages of their own, and every peer is a process of its own, with its files and sockets.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import trio

from mesh.client.client import MeshClient
from mesh.demo.processes import PROGRAM, PeerProcess, by_program
from mesh.errors import NotFound
from mesh.runtime.backups import verify_node
from tests.runtime.meshes import make_folders
from tests.versions.future import make_future, program_of

PATIENCE_S = 60.0
ALARM = {"variable": "beam/current", "above": 3.5, "of a still later version": {"to": ["eva", None], "n": 1}}

pytestmark = pytest.mark.live


class Mixed:
    """A mesh whose peers are of two versions."""

    def __init__(self, place: Path, stack: AsyncExitStack) -> None:
        self._place, self._stack = place, stack
        self.old, self.new = PROGRAM, program_of(make_future(place / "future"))
        self.peers: dict[str, PeerProcess] = {}

    async def start(self, name: str, program: tuple[str, ...], *seeds: str) -> MeshClient:
        """Start a peer with one of the two programs, and connect to it."""
        peer = self.peers[name] = PeerProcess(self._place / name, name, by_program(program))
        self._stack.push_async_callback(peer.stop)
        await peer.start([_address(self.peers[seed]) for seed in seeds])
        return await self._stack.enter_async_context(MeshClient([peer.url], author="eva"))


def _address(peer: PeerProcess) -> str:
    assert peer.ready is not None
    return peer.ready.address


@asynccontextmanager
async def mixed(place: Path, *names: str) -> AsyncIterator[Mixed]:
    make_folders(place, *names)
    async with AsyncExitStack() as stack:
        yield Mixed(place, stack)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    with trio.fail_after(PATIENCE_S):
        while not await condition():
            await trio.sleep(0.02)


async def shows(client: MeshClient, collection: str, key: str, value: dict[str, object]) -> bool:
    """Whether a peer shows exactly this record."""
    try:
        return (await client.get(collection, key)).value == value
    except NotFound:
        return False


async def agree(one: MeshClient, other: MeshClient) -> bool:
    return (await one.health()).fingerprint == (await other.health()).fingerprint


async def test_an_older_peer_keeps_passes_on_and_later_applies_what_it_does_not_know(tmp_path: Path) -> None:
    async with mixed(tmp_path, "old", "new", "bridge", "late") as mesh:
        old = await mesh.start("old", mesh.old)
        new = await mesh.start("new", mesh.new, "old")
        bridge = await mesh.start("bridge", mesh.old, "old")
        assert [(await at.health()).version for at in (old, new, bridge)] == ["0.1.0", "0.2.0", "0.1.0"]

        # Unknown collections and fields are served, and survive a change beside them, untouched.
        await new.put("alarm", "beam", ALARM)
        await new.put("variable", "beam/current", {"value": 1, "unit": "mA"})
        for at in (old, bridge):
            await until(lambda at=at: shows(at, "alarm", "beam", ALARM))
            await until(lambda at=at: shows(at, "variable", "beam/current", {"value": 1, "unit": "mA"}))
        await old.patch("variable", "beam/current", {"value": 2})
        await bridge.patch("alarm", "beam", {"above": 4.5})
        await until(lambda: shows(new, "variable", "beam/current", {"value": 2, "unit": "mA"}))
        await until(lambda: shows(new, "alarm", "beam", {**ALARM, "above": 4.5}))
        await until(lambda: agree(old, new))

        # A batch of newer rules is held by the older ones, with what its writer says after it, and that is to be seen.
        await new.put("variable", "shots", {"counts": {"fired": 5}})
        await new.put("variable", "after", {"value": "the counter"})
        await until(lambda: holds(old, 2))
        await until(lambda: holds(bridge, 2))
        assert not await shows(old, "variable", "after", {"value": "the counter"})
        await old.put("variable", "meanwhile", {"value": "old peers write on"})
        await until(lambda: shows(bridge, "variable", "meanwhile", {"value": "old peers write on"}))

        # Another of the newer version, which meets none but older ones, gets it whole.
        await mesh.peers["new"].stop()
        await mesh.peers["old"].stop()
        late = await mesh.start("late", mesh.new, "bridge")
        await until(lambda: shows(late, "variable", "shots", {"counts": {"fired": 5}}))
        await until(lambda: shows(late, "variable", "after", {"value": "the counter"}))
        await late.put("variable", "shots", {"counts": {"fired": 7}})
        await until(lambda: holds(bridge, 3))

        # What an older peer holds is no damage; upgraded in place it applies it.
        await mesh.peers["bridge"].stop()
        assert verify_node(tmp_path / "bridge").is_whole
        upgraded = await mesh.start("bridge", mesh.new, "late")
        await until(lambda: shows(upgraded, "variable", "shots", {"counts": {"fired": 12}}))
        await until(lambda: agree(upgraded, late))
        assert (await upgraded.health()).held == 0
        assert await shows(upgraded, "variable", "meanwhile", {"value": "old peers write on"})


async def holds(client: MeshClient, count: int) -> bool:
    """Whether a peer says that it holds so many batches."""
    return (await client.health()).held == count
