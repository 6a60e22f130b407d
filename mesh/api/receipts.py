"""Receipts after the write: what became of a batch, asked once or watched.

Invariant: what is said of a batch is read from one committed state; a watch tells a batch again only when that has changed.
"""

from mesh.api.reading import catch_up, position_of
from mesh.api.receipt_shapes import ReceiptList, ReceiptRow, ShowReceipts
from mesh.api.revoked import end_said
from mesh.api.shapes import EventType, OpenWatch, WatchEvent
from mesh.api.transactions import read_named
from mesh.api.watching import Tell, Watch
from mesh.crdt.ends import read_ends
from mesh.crdt.replica import Reader
from mesh.crdt.standing import end_of, fate_of, place_of, read_batch, revoked_row, said_of
from mesh.crdt.token import encode_token
from mesh.effects import Emit, Posted, Visible
from mesh.ids import Dot
from mesh.runtime.node import Node

ENDED = "ledger.ended"
FATES = (ENDED, "ledger.void", "ledger.held")  # What is told when a batch may have another fate.


async def show_receipts(node: Node, params: ShowReceipts) -> ReceiptList:
    """What became of some batches. Raises Behind, UsageError."""
    named = {given: read_named(given) for given in params.batches}
    await catch_up(node, params)
    with node.read() as reader:
        rows = [receipt_row(reader, given, named[given]) for given in params.batches]
        return ReceiptList(rows, encode_token(position_of(reader)))


def receipt_row(reader: Reader, given: str, named: Dot) -> ReceiptRow:
    """What became of one batch, as far as this peer knows."""
    opened = read_batch(reader, named)
    if opened is None:
        return _absent(reader, given, named)
    dot = str(opened.dot(named.index))
    if revoked_row(reader, opened.dot(0)) is not None:
        end = end_of(reader, opened)
        return ReceiptRow(given, dot, "revoked", said_of(end) if end is not None else "", end_said(end))
    fate, why = fate_of(reader, place_of(reader, opened), opened.content.writer)
    return ReceiptRow(given, dot, fate, why)


def _absent(reader: Reader, given: str, named: Dot) -> ReceiptRow:
    """A batch that is not here: behind an end of its writer it is refused at the door, and nobody waits for it any more."""
    end = read_ends(reader).beyond(named.writer, named.number)
    if end is None:
        return ReceiptRow(given, "", "unknown", "this peer has no such batch")
    return ReceiptRow(given, "", "revoked", f"{said_of(end)}; this peer never had it", end_said(end))


class ReceiptWatch(Watch):
    """A watch of what becomes of some batches."""

    def __init__(self, number: int, node: Node, tell: Tell, params: OpenWatch) -> None:
        super().__init__(number, node, tell)
        self._named = {given: read_named(given) for given in params.batches}
        self._told: dict[str, ReceiptRow] = {}

    async def begin(self) -> None:
        for given in self._named:
            await self._tell_row(given)
        await self.tell(WatchEvent(self.number, "SYNC"))

    async def on(self, announcement: Visible | Posted | Emit) -> None:
        match announcement:
            case Visible(batches):
                writers = {opened.content.writer for opened in batches}
                concerned = [given for given in self._named if self._named[given].writer in writers]
                for given in [given for given in concerned if self._told[given].state != "applied"]:
                    await self._tell_row(given)
            case Emit(name, _) if name in FATES:
                for given in self._named:
                    await self._tell_row(given)
            case Posted() | Emit():
                return

    async def _tell_row(self, given: str) -> None:
        with self.node.read() as reader:
            row = receipt_row(reader, given, self._named[given])
        before, self._told[given] = self._told.get(given), row
        if row != before:
            author, reason = (row.end.author, row.end.reason) if row.end is not None else ("", row.why)
            kind: EventType = "SNAPSHOT" if before is None else "UPDATE"
            await self.tell(WatchEvent(self.number, kind, given, row, author=author, reason=reason))
