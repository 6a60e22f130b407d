"""What clients send and get about ends: whose batches an admin took back, and what an end would take.

Invariant: as in `mesh/api/shapes.py`; a preview changes nothing, and an end counts only with the admin's own signature.
"""

from typing import Annotated

from msgspec import Meta, Struct

from mesh.api.shapes import Params, Text

SIGNED_MAX = 64  # In one request: a node with that many eras is ended in several.
Number = Annotated[int, Meta(ge=0, lt=2**53)]
Hex = Annotated[str, Meta(max_length=8192)]


class PreviewEnd(Params, frozen=True, kw_only=True):
    """What an end would take. `whose`: a writer's id or how it begins, or a node by name or id, which means all its writers.

    `number`: the last batch that stays; 0: none does. `branch`: only the branch that `forks.list` names so, by its name or the hash
    of its first batch, or how that begins.
    """

    whose: Text
    number: Number = 0
    branch: Text = ""


class EndText(Struct, frozen=True, forbid_unknown_fields=True):
    """An end as its admin signed it, in hexadecimal."""

    content: Hex
    signature: Hex


class AddEnds(Params, frozen=True, kw_only=True):
    """Ends to be carried out."""

    ends: Annotated[list[EndText], Meta(min_length=1, max_length=SIGNED_MAX)]


# ---- answers


class EndTarget(Struct, frozen=True):
    """What an admin has to sign to end one writer, and how many batches and records that concerns here.

    With `node`, and no `writer`: the end of that node, whose certificate opens no door any more.
    """

    writer: str
    peer: str
    number: int
    hash: str
    branch: str
    batches: int
    records: int
    node: str = ""


class EndPreview(Struct, frozen=True):
    """One target for each writer that is meant, and one for the node where all of it is.

    `items` are the first of the records that would change.
    """

    mesh: str
    targets: list[EndTarget]
    batches: int
    records: int
    items: list[str]
    token: str


class EndRow(Struct, frozen=True):
    """One end. `batches`: how many of its writer's were taken here; others came later and were refused.

    With `node`, and no `writer`: the end of that node.
    """

    writer: str
    peer: str
    number: int
    hash: str
    branch: str
    reason: str
    author: str
    at: float
    batches: int
    content: str
    signature: str
    node: str = ""


class EndList(Struct, frozen=True):
    """All ends that this peer knows of."""

    items: list[EndRow]
    token: str
