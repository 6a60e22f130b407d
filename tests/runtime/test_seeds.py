"""Seeds given by name are looked up anew at each dial, and for ever: whoever a name leads to is found there.

Invariant: the name service is the only thing that is ours here; nodes, sockets and dials are real.
"""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from mesh.config import Config
from mesh.ids import Address
from mesh.runtime.node import Node, Options
from mesh.runtime.start import open_node
from tests.runtime.meshes import QUICK, make_folders, until

pytestmark = pytest.mark.live
NAME = "seed.btf.example"
OLD, NEW = "127.0.0.2", "127.0.0.3"
LOOKING = Config(msgspec.structs.replace(QUICK.gossip, seeds_interval_s=0.1))


class Names(trio.abc.HostnameResolver):
    """A name service that knows one name, and where it points now: one host, several with blanks between, or none."""

    def __init__(self, points_to: str) -> None:
        self.points_to, self.asked = points_to, 0

    async def getaddrinfo(
        self,
        host: bytes | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        self.asked += 1
        assert host == NAME.encode()
        if not self.points_to:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [entry for host in self.points_to.split() for entry in await self._entries(host, port, type)]

    async def _entries(self, host: str, port: bytes | str | int | None, kind: int) -> list[Any]:
        return await trio.to_thread.run_sync(
            partial(socket.getaddrinfo, host, port, type=kind, flags=socket.AI_NUMERICHOST)
        )

    async def getnameinfo(self, sockaddr: object, flags: int) -> tuple[str, str]:
        raise AssertionError("nobody asks for names of addresses")


def named(points_to: str) -> Names:
    names = Names(points_to)
    trio.socket.set_custom_hostname_resolver(names)
    return names


@asynccontextmanager
async def alone(folder: Path, host: str, port: int = 0) -> AsyncIterator[Node]:
    """A node that knows nobody."""
    async with open_node(folder, Options(host=host, port=port, config=QUICK)) as node:
        yield node


@asynccontextmanager
async def seeded(folder: Path, seed: Node) -> AsyncIterator[Node]:
    """A node that knows one other."""
    async with open_node(folder, Options(seeds=(seed.address,), config=QUICK)) as node:
        yield node


def sees(node: Node) -> list[str]:
    return sorted(member.claim.name for member in node.loop.peer.roster.members() if member.reachable)


async def test_a_seed_that_moves_to_another_machine_is_found_there_though_it_was_met_before(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada", "bob", "eve")
    names = named(OLD)
    async with alone(tmp_path / "eve", NEW) as eve:
        port = eve.address.port
    async with open_node(tmp_path / "bob", Options(seeds=(Address(NAME, port),), config=QUICK)) as bob:
        async with alone(tmp_path / "ada", OLD, port):
            await until(lambda: sees(bob) == ["ada", "bob"])
        await until(lambda: sees(bob) == ["bob"])
        names.points_to = NEW
        async with alone(tmp_path / "eve", NEW, port):
            await until(lambda: sees(bob) == ["bob", "eve"])


async def test_a_name_that_nobody_knows_yet_or_that_points_nowhere_is_asked_for_again(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada", "bob")
    names = named("")
    async with alone(tmp_path / "ada", NEW) as ada:
        seeds = (Address(NAME, ada.address.port),)
        async with open_node(tmp_path / "bob", Options(seeds=seeds, config=QUICK)) as bob:
            await until(lambda: names.asked >= 2)
            names.points_to = OLD
            before = names.asked
            await until(lambda: names.asked >= before + 2)
            assert sees(bob) == ["bob"]
            names.points_to = NEW
            await until(lambda: sees(bob) == ["ada", "bob"])


async def test_two_meshes_that_formed_behind_one_name_meet_though_nobody_is_missed(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada", "bob", "dan", "eve")
    names = named(OLD)
    async with alone(tmp_path / "ada", OLD) as ada:
        seeds = (Address(NAME, ada.address.port),)
        async with open_node(tmp_path / "bob", Options(seeds=seeds, config=LOOKING)) as bob:
            await until(lambda: sees(bob) == ["ada", "bob"])
            async with alone(tmp_path / "eve", NEW, ada.address.port) as eve, seeded(tmp_path / "dan", eve) as dan:
                await until(lambda: sees(dan) == ["dan", "eve"])
                before = names.asked
                await until(lambda: names.asked >= before + 2)
                assert sees(ada) == sees(bob) == ["ada", "bob"]
                names.points_to = NEW
                await until(lambda: all(len(sees(node)) == 4 for node in (ada, bob, dan, eve)))


async def test_everybody_whom_a_name_leads_to_is_met_at_once(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada", "bob", "eve")
    named(f"{OLD} {NEW}")
    async with alone(tmp_path / "ada", OLD) as ada, alone(tmp_path / "eve", NEW, ada.address.port) as eve:
        seeds = (Address(NAME, ada.address.port),)
        async with open_node(tmp_path / "bob", Options(seeds=seeds, config=QUICK)):
            await until(lambda: sees(ada) == sees(eve) == ["ada", "bob", "eve"])
