"""What clients send and get about taking back what one author wrote in a window.

Invariant: as in `mesh/api/shapes.py`; every row names the change that is taken back and what comes in its place.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from mesh.api.provenance import Kinds
from mesh.api.shapes import PAGE, Limit, Text, Writing

Time = Annotated[str, Meta(max_length=64)] | float
"""Seconds since 1970, or ISO 8601 with an offset."""


class UndoWindow(Writing, frozen=True, kw_only=True):
    """Take back what `whose` wrote from `since` to `until`; `key` narrows to one record, `prefix` to keys that start with it.

    `preview` changes nothing. To go on with an undo that was broken off, send its `since`, `until` and `intent` again.
    """

    whose: Text
    since: Time
    until: Time = 1e11
    collection: Text = ""
    prefix: Text = ""
    key: Text = ""
    preview: bool = False
    limit: Limit = PAGE


# ---- answers


class Piece(Struct, frozen=True):
    """A change as one line of an undo: null where a field has no value."""

    kind: Kinds
    value: object
    author: str
    at: float
    dot: str


class UndoRow(Struct, frozen=True):
    """A field (or, with field "", the record itself) that is taken back: `undone` goes, and `does` is done.

    `back` is the earlier change whose value comes back, or null where there was none. `lossy`: several values were in
    conflict before, and only the one that was shown comes back.
    """

    collection: str
    key: str
    field: str
    does: Kinds
    value: object
    undone: Piece
    back: Piece | None
    lossy: bool


class KeptRow(Struct, frozen=True):
    """What stays though the author wrote it in the window, and why: `by` is the later work that stands in the way, if any."""

    collection: str
    key: str
    field: str
    reason: str
    undone: Piece
    by: Piece | None


class UndoAnswer(Struct, frozen=True):
    """What is (in a preview: would be) changed and kept; the first `limit` rows of each, and how many there are.

    `since`, `until` and `intent` are those that it was done under, `batches` what it became. Where the `state` is "broken off",
    `fault` says why, and what is done is done.
    """

    state: Literal["preview", "done", "broken off"]
    intent: str
    since: float
    until: float
    records: int
    changes: int
    kept: int
    items: list[UndoRow]
    kept_items: list[KeptRow]
    batches: list[str]
    fault: str
    token: str
