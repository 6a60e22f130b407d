"""What clients send and get about batches that are kept without effect: held ones, and void ones.

Invariant: as in `mesh/api/shapes.py`; every reason is the one that the ledger itself gave.
"""

from msgspec import Struct

from mesh.api.shapes import PAGE, Limit, Params, Reading, Text


class RetryHeldParams(Params, frozen=True, kw_only=True):
    """Try held batches again: those of a writer (its id, or the beginning of it), or all."""

    writer: Text = ""


class ListVoid(Reading, frozen=True, kw_only=True):
    """Void batches, by writer and number; `after_key` is the `next` of the page before."""

    after_key: Text = ""
    limit: Limit = PAGE


# ---- answers


class Holder(Struct, frozen=True):
    """A node that had what is waited for when it wrote. `reachable`: it can be asked now."""

    name: str
    reachable: bool


class Need(Struct, frozen=True):
    """The batch that is waited for. `peer` is the node of its writer, where that is known here."""

    writer: str
    number: int
    peer: str


class HeldRow(Struct, frozen=True):
    """A writer whose batches `number` to `last` are kept and passed on, and not applied.

    `since` is when the first of them began to wait here (null where that was not noted), `made_at` and `author` are what it says
    of itself; `may_have` names who can be expected to have what is missing.
    """

    writer: str
    peer: str
    number: int
    last: int
    batches: int
    bytes: int
    reason: str
    since: float | None
    made_at: float | None
    author: str
    needs: Need | None
    may_have: list[Holder]


class HeldList(Struct, frozen=True):
    """All writers that are held up, and how much of the quota they take. A full quota refuses further held batches."""

    items: list[HeldRow]
    batches: int
    bytes: int
    batches_max: int
    bytes_max: int
    per_writer_max: int
    token: str


class VoidRow(Struct, frozen=True):
    """A batch that counts and has no effect, with the rule that it broke. `records` are those that it wanted to change."""

    writer: str
    peer: str
    number: int
    batch: str
    reason: str
    author: str
    at: float
    said: str
    records: list[str]


class VoidPage(Struct, frozen=True):
    """A page. `next` is the `after_key` of the next one, or null at the end."""

    items: list[VoidRow]
    next: str | None
    token: str
