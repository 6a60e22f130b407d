"""One websocket: its requests, concurrently, and its watches.

Invariant: at most IN_FLIGHT_MAX requests and WATCHES_MAX watches of one connection run at once; the answer to `watch.open` goes out
before the watch's first event.
"""

from collections.abc import Callable

import trio
from msgspec import UNSET, Struct

from mesh.api import rpc
from mesh.api.faults import Busy, Invalid, kind_of
from mesh.api.json_input import Codec
from mesh.api.methods import METHODS, WATCH_METHODS, decode, method
from mesh.api.metrics import Metrics
from mesh.api.outbox import Outbox
from mesh.api.receipts import ReceiptWatch
from mesh.api.record_watch import RecordWatch, check_watch
from mesh.api.row_watches import MemberWatch, StateWatch
from mesh.api.shapes import CloseWatch, OpenWatch, WatchClosed, WatchEvent, WatchOpened
from mesh.api.watching import Watch
from mesh.api.wires import Wire, WireClosed
from mesh.errors import MeshError
from mesh.runtime.node import Node

IN_FLIGHT_MAX = 64
WATCHES_MAX = 64
GOING_AWAY = 1001  # RFC 6455 §7.4.1


class Surroundings(Struct, frozen=True):
    """What every session of one API shares. `on_fault` hears of our own mistakes, in a sentence."""

    node: Node
    metrics: Metrics
    on_fault: Callable[[str], None]
    stopping: trio.Event


class Session:
    """Speaks JSON-RPC with one client."""

    def __init__(self, around: Surroundings, wire: Wire, codec: Codec, author: str) -> None:
        self._around, self._wire, self._codec, self._author = around, wire, codec, author
        self._room = trio.Semaphore(IN_FLIGHT_MAX)
        self._outbox = Outbox()
        self._watches: dict[int, trio.CancelScope] = {}
        self._numbers = 0

    async def run(self) -> None:
        """Serve until the client leaves, or the API stops: then it is told so with code 1001."""
        with self._around.metrics.websockets.track_inprogress():
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._outbox.empty_into, self._wire)
                    nursery.start_soon(self._receive, nursery)
                    await self._around.stopping.wait()
                    nursery.cancel_scope.cancel()
            except* WireClosed:
                pass
            finally:
                await self._wire.close(GOING_AWAY, "this peer is stopping; another one will answer")

    async def _receive(self, nursery: trio.Nursery) -> None:
        while True:
            for raw in await self._wire.receive():
                try:
                    self._room.acquire_nowait()
                except trio.WouldBlock:
                    await self._room.acquire()
                nursery.start_soon(self._serve, raw, nursery)

    async def _serve(self, raw: str | bytes, nursery: trio.Nursery) -> None:
        """Answer one message. The watches that it opened begin when its answer is out."""
        opened: list[Watch] = []
        try:
            await self._answer(raw, opened)
        finally:
            self._room.release()
        for watch in opened:
            nursery.start_soon(self._run_watch, watch)

    async def _answer(self, raw: str | bytes, opened: list[Watch]) -> None:
        try:
            message = rpc.read(raw, self._codec)
        except MeshError as error:
            return await self._send(rpc.failure(None, error))
        responses: list[rpc.Response] = []
        if not message.batch:
            await self._respond(message.requests[0], responses, opened)
            return await self._send(*responses)
        async with trio.open_nursery() as nursery:
            for request in message.requests:
                nursery.start_soon(self._respond, request, responses, opened)
        if responses:
            await self._send(responses)
        return None

    async def _respond(self, request: rpc.Request, responses: list[rpc.Response], opened: list[Watch]) -> None:
        status = "ok"
        try:
            if request.fault is not None:
                raise request.fault
            result = await self._call(request, opened)
            response: rpc.Response = rpc.Result(None if request.id is UNSET else request.id, result)
        except Exception as error:
            response, status = rpc.failure(request.id, error), kind_of(error)
            if not isinstance(error, MeshError):
                self._around.on_fault(f"{request.method} failed: {type(error).__name__}: {error}")
        self._around.metrics.count("rpc", _known(request.method), status)
        if request.id is not UNSET or request.fault is not None:
            responses.append(response)

    async def _call(self, request: rpc.Request, opened: list[Watch]) -> object:
        if request.method == "watch.open":
            return await self._open(decode(OpenWatch, request.params), opened)
        if request.method == "watch.close":
            return self._close(decode(CloseWatch, request.params))
        return await method(request.method).ask(self._around.node, request.params, self._author)

    async def _open(self, params: OpenWatch, opened: list[Watch]) -> WatchOpened:
        if len(self._watches) >= WATCHES_MAX:
            raise Busy(f"this connection has {WATCHES_MAX} watches already")
        self._numbers += 1
        number, node = self._numbers, self._around.node
        self._watches[number] = trio.CancelScope()
        try:
            watch = await self._make_watch(number, node, params)
        except BaseException:
            del self._watches[number]
            raise
        opened.append(watch)
        return WatchOpened(number)

    async def _make_watch(self, number: int, node: Node, params: OpenWatch) -> Watch:
        match params.kind:
            case "records":
                await check_watch(node, params)
                return RecordWatch(number, node, self._tell, params)
            case "receipts" if params.batches and not (params.resume or params.collection or params.prefix):
                return ReceiptWatch(number, node, self._tell, params)
            case "receipts":
                raise Invalid("a watch of receipts takes batches and nothing else", todo="name the `batch` of receipts")
            case "state" | "members" if params.resume or params.collection:
                raise Invalid(f"a watch of {params.kind} takes no collection and no token", todo="leave them out")
            case "state":
                return StateWatch(number, node, self._tell, params)
            case "members":
                return MemberWatch(number, node, self._tell)

    def _close(self, params: CloseWatch) -> WatchClosed:
        scope = self._watches.pop(params.watch, None)
        if scope is not None:
            scope.cancel()
        return WatchClosed(scope is not None)

    async def _run_watch(self, watch: Watch) -> None:
        scope = self._watches.get(watch.number)
        if scope is None:  # Closed before it began.
            return
        with scope, self._around.metrics.watchers.track_inprogress():
            try:
                await watch.run()
            except WireClosed:
                raise
            except Exception as error:
                self._around.on_fault(f"a watch failed: {type(error).__name__}: {error}")
                said = f"{error}" if isinstance(error, MeshError) else "this peer failed; open the watch again"
                await self._tell(WatchEvent(watch.number, "CLOSED", reason=said, token=watch.token))
        self._watches.pop(watch.number, None)

    async def _tell(self, event: WatchEvent) -> None:
        await self._send(rpc.Notification(event))

    async def _send(self, *messages: object) -> None:
        for message in messages:
            await self._outbox.put(self._codec.encode(message))


def _known(name: str) -> str:
    return name if name in METHODS or name in WATCH_METHODS else "other"
