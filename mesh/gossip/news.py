"""News on its way: each piece is sent a bounded number of times, the least sent first (SWIM §4.1).

What others tell as well need not be told as often: hearing a piece again counts as sending it (rumour mongering with feedback and a
counter; Demers et al. 1987, §1.4).

Invariant: at most one piece about each member is queued, the newest; taking costs what is taken, however long the queue.
"""

import math
from collections.abc import Iterator

from mesh.ids import Boot, NodeId
from mesh.messages import Accusation, Newsflash, Standing

PIGGYBACK_BYTES = 850  # Leaves room for the probe itself and the seal in a datagram of 1,200 bytes.
CLAIM_BYTES = 330  # A signed claim with a P-256 key, a name and a URL.
ACCUSATION_BYTES = 60
VOICE_BYTES = 18
PRESSING = 1 / 2  # Of the times that a piece leaves: then about everybody has it, and it waits for what leaves anyway.


def size_of(news: Newsflash) -> int:
    """About how many bytes of a datagram a piece takes."""
    return ACCUSATION_BYTES + VOICE_BYTES * len(news.voices) if isinstance(news, Accusation) else CLAIM_BYTES


class NewsQueue:
    """What this member still has to tell."""

    __slots__ = ("_accusations", "_bodies", "_factor", "_rounds", "_sent")

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._sent: dict[NodeId, int] = {}
        self._bodies: dict[bytes, NodeId] = {}  # Of claims.
        self._rounds: list[dict[NodeId, Newsflash]] = [{}]  # By how often the pieces were sent.
        self._accusations = 0  # Of all pieces: where no claim fits any more, one of these may.

    def __len__(self) -> int:
        return len(self._sent)

    def presses(self, members: int) -> bool:
        """Whether a piece is fresh enough, in a mesh of `members`, to leave for its own sake."""
        return any(self._rounds[: math.ceil(PRESSING * self._limit(members))]) if self._sent else False

    def put(self, node: NodeId, news: Newsflash) -> None:
        """Queue news about `node`. What was queued about it before is out of date."""
        self._forget(node)
        self._set(node, news, 0)

    def shorten(self, length: int, keep: NodeId) -> None:
        """Forget the pieces put last, down to so many, but for those about `keep`: they reach others in another way."""
        for node in list(self._sent)[length:]:
            if node != keep:
                self._forget(node)

    def heard(self, news: Newsflash, members: int) -> None:
        """Another member of a mesh of so many tells the same as this one does."""
        node = news.node if isinstance(news, Accusation) else self._bodies.get(news.body)
        sent = self._sent.get(node) if node is not None else None
        if node is None or sent is None or not _is_same(queued := self._rounds[sent][node], news):
            return
        self._forget(node)
        if sent + 1 < self._limit(members):
            self._set(node, queued, sent + 1)

    def _limit(self, members: int) -> int:
        return math.ceil(self._factor * math.ceil(math.log10(members + 1)))

    def take(self, members: int) -> tuple[Newsflash, ...]:
        """The pieces for one datagram in a mesh of `members`. Pieces that were sent often enough are forgotten."""
        if not self._sent:
            return ()
        limit = self._limit(members)
        taken = list(self._fitting())
        for node, news in taken:
            sent = self._sent[node] + 1
            self._forget(node)
            if sent < limit:
                self._set(node, news, sent)
        return tuple(news for _, news in taken)

    def _fitting(self) -> Iterator[tuple[NodeId, Newsflash]]:
        room, accusations = PIGGYBACK_BYTES, self._accusations
        for pieces in self._rounds:
            for node, news in pieces.items():
                size = size_of(news)
                accusations -= isinstance(news, Accusation)
                if size <= room:
                    room -= size
                    yield node, news
                if room < (ACCUSATION_BYTES if accusations else CLAIM_BYTES):
                    return

    def _forget(self, node: NodeId) -> None:
        sent = self._sent.pop(node, None)
        if sent is None:
            return
        news = self._rounds[sent].pop(node)
        if isinstance(news, Accusation):
            self._accusations -= 1
        else:
            del self._bodies[news.body]

    def _set(self, node: NodeId, news: Newsflash, sent: int) -> None:
        while len(self._rounds) <= sent:
            self._rounds.append({})
        self._sent[node] = sent
        self._rounds[sent][node] = news
        if isinstance(news, Accusation):
            self._accusations += 1
        else:
            self._bodies[news.body] = node


def _is_same(queued: Newsflash, heard: Newsflash) -> bool:
    """Whether who hears the one learns nothing from the other. Who accused first makes no difference."""
    if not isinstance(queued, Accusation) or not isinstance(heard, Accusation):
        return queued == heard
    return _said(queued) == _said(heard)


def _said(of: Accusation) -> tuple[Boot, int, Standing, tuple[NodeId, ...]]:
    return of.boot, of.counter, of.standing, of.voices
