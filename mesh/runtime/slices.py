"""Slices: a large message as several, so that taking one in never holds up the loop for long (DESIGN §3).

Invariant: the pieces together say what the message said, in its order; only the last bears the session that asks for more.
"""

from collections.abc import Iterator

from mesh.crdt.batch import Batch
from mesh.messages import Batches, Boards, Message

BYTES_MAX = 10 * 1024  # Of batches merged in one slice: two of 64 changes take 1 ms, beside the writer thread 2.
BATCHES_MAX = 8
DELTAS_MAX = 8  # A signature and a row each.


def slices(message: Message) -> Iterator[Message]:
    """The pieces of a message, each to be told to the peer by itself."""
    match message:
        case Batches(batches, certificates, more, session):
            *firsts, last = _groups(batches)
            for group in firsts:
                yield Batches(group, certificates)
                certificates = ()
            yield Batches(last, certificates, more, session)
        case Boards(deltas, more, pulled) if len(deltas) > DELTAS_MAX:
            for start in range(0, len(deltas), DELTAS_MAX):
                end = start + DELTAS_MAX
                yield Boards(deltas[start:end], more and end >= len(deltas), pulled)
        case _:
            yield message


def _groups(batches: tuple[Batch, ...]) -> list[tuple[Batch, ...]]:
    groups: list[tuple[Batch, ...]] = []
    start = size = 0
    for end, batch in enumerate(batches):
        if end > start and (size + len(batch.content) > BYTES_MAX or end - start == BATCHES_MAX):
            groups.append(batches[start:end])
            start, size = end, 0
        size += len(batch.content)
    return [*groups, batches[start:]]
