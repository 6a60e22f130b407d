"""The loop puts what the peer says on the wire, in as few datagrams as it fits, and survives what comes back."""

import secrets
import socket
from pathlib import Path

import trio

from mesh.effects import Emit
from mesh.transport.seal import Sealer
from tests.runtime.meshes import make_folders, put, running, until


async def test_garbage_on_the_port_is_told_and_survived(tmp_path: Path) -> None:
    make_folders(tmp_path, "a")
    async with running(tmp_path, "a") as (a,):
        with a.listen() as announcements, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(b"garbage", (a.address.host, a.address.port))
            sealer = Sealer(a.identity.epoch_secret, a.identity.mesh, secrets.token_bytes(16))
            stranger.sendto(sealer.seal(b"\x01 sealed garbage"), (a.address.host, a.address.port))
            said = [await announcements.receive(), await announcements.receive()]
        assert [s.name for s in said if isinstance(s, Emit)] == ["peer.malformed", "peer.malformed"]
        await put(a, "still", "alive")


async def test_two_nodes_say_little_when_nothing_happens(tmp_path: Path) -> None:
    make_folders(tmp_path, "a", "b")
    async with running(tmp_path, "a", "b") as (a, b):
        await until(lambda: a.loop.tally.packets_received > 20)
        assert a.loop.tally.bytes_sent / a.loop.tally.packets_sent < 1_200
        assert a.loop.tally.packets_sent < 20 * b.loop.tally.packets_sent


async def test_writes_in_flight_together_all_get_their_own_answer(tmp_path: Path) -> None:
    make_folders(tmp_path, "a")
    async with running(tmp_path, "a") as (a,):
        tokens: list[str] = []

        async def write(number: int) -> None:
            tokens.append(await put(a, f"key/{number}", number))

        async with trio.open_nursery() as nursery:
            for number in range(64):
                nursery.start_soon(write, number)
        assert len(tokens) == 64
        assert a.health().writers == 1
