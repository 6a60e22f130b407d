"""The scribe signs this node's own batches: stamped, chained, and after everything that is applied here.

Invariant: a batch names, itself or through what it names, every batch that was applied here when it was made; stamps only grow.
"""

from collections.abc import Iterator

from mesh.crdt.batch import (
    AFTER_MAX,
    DOMAIN,
    SEMANTICS,
    Batch,
    Change,
    Content,
    OpenBatch,
    encode_content,
    hash_content,
)
from mesh.crdt.clock import HybridClock
from mesh.crdt.era import Author, author_in
from mesh.crdt.events import Compose
from mesh.crdt.fold import Fold
from mesh.crdt.frontier import Frontier
from mesh.crdt.keys import ERA
from mesh.crdt.lines import Context
from mesh.crdt.replica import Table, Write
from mesh.ids import NO_BATCH, Head, MeshId, WriterId
from mesh.security.trust import Trust

AFTER_BESIDE_CHANGES_MAX = 64  # About 4 KB of heads; more go into batches of their own, ahead of the changes.


class Scribe:
    """This node as a writer: its era, its clock, and what its next batch comes after."""

    def __init__(self, mesh: MeshId, trust: Trust, certificate: bytes, author: Author, context: Context) -> None:
        self._mesh, self._trust, self._certificate = mesh, trust, certificate
        self._author = author
        self._frontier = Frontier(context)
        self.key = trust.read_certificate(certificate).key
        line = context.lines.get(author.writer)
        self.clock = HybridClock(line.stamp if line is not None else 0)

    @property
    def writer(self) -> WriterId:
        """Its ledger identity in its present era."""
        return self._author.writer

    def look_at(self, context: Context) -> None:
        """Begin anew with what is applied in `context`."""
        self._frontier = Frontier(context)

    def hear(self, opened: OpenBatch) -> None:
        """A batch was applied; the next own one comes after it."""
        if opened.content.writer != self.writer:
            self._frontier.add(opened)

    def begin_era(self, nonce: bytes, context: Context) -> None:
        """Go on as another writer."""
        self._author = author_in(self._author.certificate, nonce)
        self._frontier = Frontier(context)

    def keep_era(self, fold: Fold) -> None:
        """Have the nonce of the era stored."""
        fold.put(Write(Table.META, ERA, self._author.era))

    def open_chain(self, fold: Fold, context: Context) -> None:
        """Before a writer's first batch: keep the nonce of its era, and its certificate."""
        if self.writer not in context.lines:
            self.keep_era(fold)
            fold.admit_certificate(self._certificate)

    def sign_all(
        self, changes: tuple[Change, ...], compose: Compose, context: Context, now: float
    ) -> Iterator[OpenBatch]:
        """The batch of a write, after as many batches without changes as its list of dependencies needs."""
        fresh = self._frontier.heads(self.writer)
        while len(fresh) > AFTER_BESIDE_CHANGES_MAX:
            yield self._sign(tuple(fresh[:AFTER_MAX]), (), Compose(0, (), compose.author), context, now)
            fresh = fresh[AFTER_MAX:]
        yield self._sign(tuple(fresh), changes, compose, context, now)
        self._frontier.clear()

    def _sign(
        self, after: tuple[Head, ...], changes: tuple[Change, ...], compose: Compose, context: Context, now: float
    ) -> OpenBatch:
        line = context.lines.get(self.writer)
        number, previous = (line.have.number + 1, line.have.hash) if line is not None else (1, NO_BATCH)
        content = Content(
            domain=DOMAIN,
            mesh=self._mesh,
            semantics=SEMANTICS,
            epoch=0,
            writer=self.writer,
            era=self._author.era,
            certificate=self._author.certificate,
            number=number,
            previous=previous,
            stamp=self.clock.tick(now),
            author=compose.author,
            after=after,
            changes=changes,
            about=compose.about,
        )
        raw = encode_content(content)
        return OpenBatch(Batch(raw, self._trust.sign(raw)), hash_content(raw), content)
