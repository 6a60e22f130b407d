"""What a client is told of forked writers, and of ends.

Invariant: as in mesh/client/answers.py, what a newer peer says beyond it is passed over.
"""

from msgspec import Struct


class Branch(Struct, frozen=True):
    """One branch of a writer that forked: its first batch as it was signed, in hexadecimal."""

    branch: str
    batch: str
    newest: int
    author: str
    at: float
    content: str = ""
    signature: str = ""


class Fork(Struct, frozen=True):
    """A writer of which two batches with one number are known, and the node that it is of."""

    writer: str
    peer: str
    number: int
    branches: list[Branch]


class ForkPage(Struct, frozen=True):
    """All forks that a peer knows of."""

    items: list[Fork]


class EndTarget(Struct, frozen=True):
    """What an admin has to sign to end one writer: `hash` is that of its last batch that stays.

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
    """What an end would take: a target for each writer that is meant, and some of the records that would change."""

    mesh: str
    targets: list[EndTarget]
    batches: int
    records: int
    items: list[str]


class EndedWriter(Struct, frozen=True):
    """One end of a writer, and how many of its batches were taken at this peer; with `node`, and no `writer`, of a node."""

    writer: str
    peer: str
    number: int
    branch: str
    reason: str
    author: str
    at: float
    batches: int
    node: str = ""


class EndPage(Struct, frozen=True):
    """All ends that a peer knows of."""

    items: list[EndedWriter]
