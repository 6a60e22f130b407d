"""A watch that goes on at another peer when its own goes away.

Invariant: a watch of records resumes with the last token it heard, so nothing is missed; where that is not possible, and for
state and members always, a RESET comes first: forget what you hold, a snapshot follows.
"""

from types import TracebackType
from typing import TYPE_CHECKING

import msgspec
import trio
from msgspec import Struct

from mesh.client.answers import Event
from mesh.client.faults import Behind, CannotConnect
from mesh.client.link import Link, LinkLost

if TYPE_CHECKING:
    from mesh.client.client import MeshClient

PATIENCE_S = 60.0  # How long a watch looks for a peer before it gives up.
RETRY_S_MIN, RETRY_S_MAX = 0.1, 5.0
BEHIND_MAX = 3  # Peers that may be behind before a new snapshot is taken instead.


class _Opened(Struct, frozen=True):
    watch: int


class Watch:
    """An asynchronous iterator over events. SYNC comes when the snapshot is complete; `token` is where it is now."""

    def __init__(self, client: "MeshClient", params: dict[str, object], resume: str) -> None:
        self._client = client
        self._params = params
        self.token = resume
        self._link: Link | None = None
        self._number = 0
        self._events: trio.MemoryReceiveChannel[Event] | None = None
        self._began = False

    async def __aenter__(self) -> "Watch":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the watch at the peer, if it is still there."""
        link, self._link = self._link, None
        if link is not None:
            link.forget(self._number)
            with trio.move_on_after(1.0, shield=True):
                await self._say_goodbye(link)

    async def _say_goodbye(self, link: Link) -> None:
        try:
            await link.ask("watch.close", {"watch": self._number})
        except LinkLost:
            return

    def __aiter__(self) -> "Watch":
        return self

    async def __anext__(self) -> Event:
        """The next event. Raises CannotConnect when no peer has answered for PATIENCE_S."""
        while True:
            if self._events is None:
                reset = await self._open()
                if reset:
                    return Event(0, "RESET", reason="a new snapshot follows")
            assert self._events is not None
            try:
                event = await self._events.receive()
            except trio.EndOfChannel:
                self._leave()
                continue
            if event.type == "CLOSED":
                self._leave()
                continue
            self.token = "" if event.type == "RESET" else event.token or self.token
            return event

    def _leave(self) -> None:
        if self._link is not None:
            self._link.forget(self._number)
            if self._link.lost.is_set():
                self._client.move_on(self._link)
        self._events, self._link = None, None

    async def _open(self) -> bool:
        """Open the watch at some peer. True: what was heard before does not count any more."""
        wait_s, behind = RETRY_S_MIN, 0
        give_up = trio.current_time() + PATIENCE_S
        while True:
            try:
                return await self._open_at(await self._client.link(), resume=behind < BEHIND_MAX)
            except Behind:
                behind += 1
            except (LinkLost, CannotConnect) as error:
                if trio.current_time() > give_up:
                    raise CannotConnect(f"no peer has answered for {PATIENCE_S:g} s: {error}") from None
                await trio.sleep(wait_s)
                wait_s = min(2 * wait_s, RETRY_S_MAX)

    async def _open_at(self, link: Link, resume: bool) -> bool:
        records = self._params["kind"] == "records"
        token = self.token if records and resume else ""
        try:
            raw = await link.ask("watch.open", self._params | ({"resume": token} if token else {}))
        except (LinkLost, Behind):
            self._client.move_on(link)
            raise
        self._link, self._number = link, msgspec.json.decode(raw, type=_Opened).watch
        self._events = link.events(self._number)
        again, self._began = self._began or bool(self.token), True
        self.token = token  # A snapshot that breaks off has to be begun anew.
        return again and not token
