"""A network between real peers of one machine: each has an address there, at which datagrams and streams take time.

A peer listens at 127.0.0.1 and advertises an address here, with the same port. What comes to that address goes on to it, later,
and comes from the address of whoever sent it. Lost pieces of streams come later still, as if they were sent again.
"""

import heapq
import socket
from contextlib import suppress
from itertools import count
from random import Random

import trio
from msgspec import Struct

from mesh.ids import Address

DATAGRAM_BYTES_MAX = 65_535
RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
PIECE_BYTES = 65_536
REAL_HOST = "127.0.0.1"


class Shape(Struct, frozen=True):
    """One way takes `delay_s`. A packet is lost with probability `loss`; one of a stream comes `resend_s` later then."""

    delay_s: float
    loss: float
    resend_s: float = 0.2


class Shaper:
    """All addresses of the network."""

    def __init__(self, shape: Shape, rng: Random, nursery: trio.Nursery) -> None:
        self._shape, self._rng, self._nursery = shape, rng, nursery
        self._doors: dict[int, trio.socket.SocketType] = {}  # By the port, which is the same at both addresses.
        self._scopes: dict[int, trio.CancelScope] = {}
        self._late: list[tuple[float, int, int, int, bytes]] = []
        self._order, self._put = count(), trio.Event()

    async def run(self) -> None:
        """Deliver datagrams when they are due, until cancelled."""
        while True:
            self._put = trio.Event()
            until = self._late[0][0] if self._late else float("inf")
            with trio.move_on_at(until):
                await self._put.wait()
            while self._late and self._late[0][0] <= trio.current_time():
                _, _, source, target, payload = heapq.heappop(self._late)
                await self._doors[source].sendto(payload, (REAL_HOST, target))

    async def open(self, at: Address) -> None:
        """Take up an address: from now on the peer behind it can be reached."""
        door = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        await door.bind((at.host, at.port))
        self._doors[at.port] = door
        self._nursery.start_soon(self._carry_datagrams, at.port, door)
        await self.listen(at)

    async def listen(self, at: Address) -> None:
        """Let streams in, until `refuse`."""
        scope = self._scopes[at.port] = trio.CancelScope()
        listeners = await trio.open_tcp_listeners(at.port, host=at.host)

        async def carry(outer: trio.SocketStream) -> None:
            await self._carry_stream(outer, at.port)

        async def serve() -> None:
            with scope:
                await trio.serve_listeners(carry, listeners, handler_nursery=self._nursery)

        self._nursery.start_soon(serve)

    def refuse(self, port: int) -> None:
        """The process behind a port is gone: streams to it are refused."""
        self._scopes[port].cancel()

    async def _carry_datagrams(self, target: int, door: trio.socket.SocketType) -> None:
        while True:
            payload, (_, source) = await door.recvfrom(DATAGRAM_BYTES_MAX)
            if source in self._doors and self._rng.random() >= self._shape.loss:
                due = trio.current_time() + self._shape.delay_s
                heapq.heappush(self._late, (due, next(self._order), source, target, payload))
                self._put.set()

    async def _carry_stream(self, outer: trio.SocketStream, port: int) -> None:
        await trio.sleep(2 * self._shape.delay_s)  # The handshake.
        with suppress(OSError):
            inner = await trio.open_tcp_stream(REAL_HOST, port)
            async with outer, inner, trio.open_nursery() as nursery:
                for source, target in ((outer, inner), (inner, outer)):
                    send, receive = trio.open_memory_channel[tuple[float, bytes]](float("inf"))
                    nursery.start_soon(self._read, source, send)
                    nursery.start_soon(_write_late, target, receive)

    async def _read(self, source: trio.SocketStream, send: trio.MemorySendChannel[tuple[float, bytes]]) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for piece in source:
                lost_s = self._shape.resend_s if self._rng.random() < self._shape.loss else 0.0
                await send.send((trio.current_time() + self._shape.delay_s + lost_s, bytes(piece)))
        await send.send((trio.current_time() + self._shape.delay_s, b""))


async def _write_late(target: trio.SocketStream, receive: trio.MemoryReceiveChannel[tuple[float, bytes]]) -> None:
    """Write pieces in order, each when it is due; an empty one is the end."""
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        async for due, piece in receive:
            await trio.sleep_until(due)
            if not piece:
                break
            await target.send_all(piece)
    await target.aclose()
