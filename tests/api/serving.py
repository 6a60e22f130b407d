"""A real node with its API, and foreign clients for it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import trio
from httpx2.websockets import AsyncWebSocketSession

from mesh.api.service import Service
from mesh.client.client import MeshClient
from mesh.runtime.node import Node, turn_away
from tests.runtime.meshes import make_folders, running

PATIENCE_S = 20.0


@asynccontextmanager
async def attended(node: Node) -> AsyncIterator[Service]:
    """The API of a running node."""
    faults: list[str] = []
    service = Service(node, faults.append)
    node.on_http = service.on_http
    async with trio.open_nursery() as nursery:
        await nursery.start(service.run)
        with trio.fail_after(PATIENCE_S):
            yield service
        nursery.cancel_scope.cancel()
    assert not faults, faults


async def ends(node: Node, service: Service) -> None:
    """The API of a node ends; the node goes on."""
    node.on_http = turn_away
    await service.stop()


@asynccontextmanager
async def one_node(place: Path) -> AsyncIterator[tuple[Node, httpx2.AsyncClient]]:
    """A node alone in its mesh, and an HTTP client for it."""
    make_folders(place, "ada")
    async with running(place, "ada") as (ada,), attended(ada), client_of(ada) as client:
        yield ada, client


@asynccontextmanager
async def two_peers(place: Path) -> AsyncIterator[tuple[MeshClient, MeshClient]]:
    """Two peers that have met, and a client of each."""
    make_folders(place, "a", "b")
    async with (
        running(place, "a", "b") as (a, b),
        attended(a),
        attended(b),
        MeshClient([a.url]) as at_a,
        MeshClient([b.url]) as at_b,
    ):
        yield at_a, at_b


@asynccontextmanager
async def client_of(node: Node) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=node.url, trust_env=False, timeout=10) as client:
        yield client


class Rpc:
    """A foreign JSON-RPC client: it sends and reads text."""

    def __init__(self, socket: AsyncWebSocketSession) -> None:
        self.socket = socket
        self._id = 0
        self._events: list[dict[str, object]] = []

    async def say(self, message: object) -> None:
        await self.socket.send_text(json.dumps(message))

    async def hear(self) -> object:
        return json.loads(await self.socket.receive_text())

    async def ask(self, method: str, **params: object) -> dict[str, object]:
        """The whole response; events that come before it are kept."""
        self._id += 1
        await self.say({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params})
        while True:
            message = await self.hear()
            assert isinstance(message, dict)
            if message.get("id") == self._id:
                return message
            self._events.append(message["params"])

    async def call(self, method: str, **params: object) -> dict[str, object]:
        """The result."""
        response = await self.ask(method, **params)
        assert "result" in response, response
        result = response["result"]
        assert isinstance(result, dict)
        return result

    async def event(self) -> dict[str, object]:
        """The next event of any watch."""
        if self._events:
            return self._events.pop(0)
        message = await self.hear()
        assert isinstance(message, dict)
        assert message["method"] == "watch.event", message
        params = message["params"]
        assert isinstance(params, dict)
        return params

    async def events_until(self, kind: str) -> list[dict[str, object]]:
        """All events up to the first of that type."""
        events = [await self.event()]
        while events[-1]["type"] != kind:
            events.append(await self.event())
        return events


@asynccontextmanager
async def rpc_of(node: Node, protocol: str = "mesh.json") -> AsyncIterator[Rpc]:
    url = node.url.replace("http", "ws", 1) + "/v1/ws"
    async with client_of(node) as client, client.websocket(url, subprotocols=[protocol]) as socket:
        yield Rpc(socket)
