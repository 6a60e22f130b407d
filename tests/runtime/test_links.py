"""Streams between nodes come and go, and the peer is told once."""

from pathlib import Path

import trio
import trio.testing

from mesh.effects import Emit
from mesh.events import Connected
from mesh.gossip.redial import Known
from mesh.ids import Address, NodeId
from mesh.runtime.announcer import Announcement
from mesh.runtime.identity import client_context, load_node
from mesh.runtime.links import OUTBOX_BYTES_MAX, STREAMS_MAX, LinkEvent, Links, Outbox
from mesh.runtime.trust import KeyTrust
from tests.runtime.meshes import make_folders, put, running, until


async def test_an_outbox_gives_frames_in_order_and_drops_what_is_too_much() -> None:
    outbox = Outbox()
    assert outbox.put(b"one")
    assert outbox.put(b"two")
    assert not outbox.put(bytes(OUTBOX_BYTES_MAX))
    assert [await outbox.get(), await outbox.get()] == [b"one", b"two"]


async def test_a_frame_that_is_waited_for_arrives() -> None:
    outbox = Outbox()
    got: list[bytes] = []

    async def take() -> None:
        got.append(await outbox.get())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        await trio.testing.wait_all_tasks_blocked()
        outbox.put(b"late")
    assert got == [b"late"]


async def test_what_is_sent_once_all_has_ended_is_dropped(tmp_path: Path) -> None:
    make_folders(tmp_path, "a")
    identity = load_node(tmp_path / "a")

    async def on_frame(node: NodeId, at: Address, frame: bytes) -> None:
        raise AssertionError("nobody sends here")

    links = Links(client_context(identity), KeyTrust(identity), lambda event: None, on_frame)
    async with trio.open_nursery() as nursery:
        await nursery.start(links.run)
        nursery.cancel_scope.cancel()
    links.send(NodeId(bytes(16)), Address("127.0.0.1", 9), b"a disk answered late")


async def test_of_more_streams_to_one_node_than_are_allowed_the_oldest_ends(tmp_path: Path) -> None:
    make_folders(tmp_path, "a", "b")
    identity, events = load_node(tmp_path / "b"), list[LinkEvent]()
    async with running(tmp_path, "a") as (a,), trio.open_nursery() as nursery:
        links = Links(client_context(identity), KeyTrust(identity), events.append, drop)
        await nursery.start(links.run)
        for number in range(STREAMS_MAX + 2):
            links.dial(a.address)
            await until(lambda known=number: len(events) > known)  # type: ignore[misc]
        await until(lambda: links.count(a.identity.node) == STREAMS_MAX)
        assert {type(event) for event in events} == {Connected}
        nursery.cancel_scope.cancel()


async def drop(node: NodeId, at: Address, frame: bytes) -> None:
    """Frames that nobody wants."""


async def test_a_large_write_goes_over_a_stream(tmp_path: Path) -> None:
    make_folders(tmp_path, "a", "b")
    async with running(tmp_path, "a", "b") as (a, b):
        token = await put(a, "large", "x" * 40_000)
        assert await b.wait_until_covered(token, 10.0)


async def test_a_foreign_mesh_is_not_let_in(tmp_path: Path) -> None:
    for folder, name in (("one", "a"), ("two", "b")):
        (tmp_path / folder).mkdir()
        make_folders(tmp_path / folder, name)
    async with running(tmp_path / "one", "a") as (a,), running(tmp_path / "two", "b") as (b,):
        with a.listen() as announcements:
            b.loop.tell(Known(a.address))
            await until(lambda: "listener.fault" in _names(announcements))
        assert (a.health().members, b.health().members) == (1, 1)


def _names(announcements: trio.MemoryReceiveChannel[Announcement]) -> list[str]:
    names: list[str] = []
    try:
        while True:
            said = announcements.receive_nowait()
            names.append(said.name if isinstance(said, Emit) else "")
    except trio.WouldBlock:
        return names
