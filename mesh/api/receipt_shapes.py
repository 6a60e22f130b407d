"""What clients send and get about receipts: whether a batch that was acknowledged still counts.

Invariant: as in `mesh/api/shapes.py`; a batch that an end took says whose end, and why.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from mesh.api.provenance import EndSaid
from mesh.api.shapes import RECEIPTS_MAX, Reading, Text

BatchState = Literal["applied", "void", "held", "revoked", "unknown"]


class ShowReceipts(Reading, frozen=True, kw_only=True):
    """Which batches: the `batch` or the `dot` of their receipts. Only a dot is sure to mean one batch where a writer forks."""

    batches: Annotated[list[Text], Meta(min_length=1, max_length=RECEIPTS_MAX)]


# ---- answers


class ReceiptRow(Struct, frozen=True):
    """What became of a batch. `why` says it in words where it does not count; `unknown`: it is not at this peer."""

    batch: str
    dot: str
    state: BatchState
    why: str = ""
    end: EndSaid | None = None


class ReceiptList(Struct, frozen=True):
    """One row for each batch, in the order asked for."""

    items: list[ReceiptRow]
    token: str
