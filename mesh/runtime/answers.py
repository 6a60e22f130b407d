"""Requests that wait for the ledger.

Invariant: each number handed out is answered once; a request that is given up leaves nothing behind.
"""

import trio

from mesh.effects import Composed, NotComposed

Answer = Composed | NotComposed


class Answers:
    """Pairs the ledger's answers with those who wait for them."""

    def __init__(self) -> None:
        self._next = 0
        self._waiting: dict[int, tuple[trio.Event, list[Answer]]] = {}

    def open(self) -> int:
        """The number of a new request."""
        self._next += 1
        self._waiting[self._next] = (trio.Event(), [])
        return self._next

    def give(self, answer: Answer) -> None:
        """Wake whoever waits for this answer, if somebody still does."""
        if answer.request in self._waiting:
            event, box = self._waiting[answer.request]
            box.append(answer)
            event.set()

    async def take(self, request: int) -> Answer:
        """The answer to a request, once it is there."""
        event, box = self._waiting[request]
        try:
            await event.wait()
        finally:
            del self._waiting[request]
        return box[0]
