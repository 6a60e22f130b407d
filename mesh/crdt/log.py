"""The log as others need it: batches that a peer lacks, with the certificates to verify them.

Invariant: only durable batches are read, per writer without a gap, and across writers in order of their stamps, so that what a
batch depends on comes before it as a rule.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from mesh.crdt.batch import Batch, OpenBatch, decode_batch, open_batch
from mesh.crdt.keys import batch_key
from mesh.crdt.lines import Lines
from mesh.crdt.replica import Reader, Table
from mesh.ids import CertificateHash, MeshId, WriterId


class Parcel(Struct, frozen=True):
    """Batches for one peer. `more`: it lacks others that did not fit."""

    batches: tuple[Batch, ...]
    certificates: tuple[bytes, ...]
    more: bool


def missing(reader: Reader, mesh: MeshId, lines: Lines, theirs: Mapping[WriterId, int], budget: int) -> Parcel:
    """What a peer with the heads `theirs` lacks of our durable `lines`, up to about `budget` bytes."""
    behind = [w for w in sorted(lines) if lines[w].have.number > theirs.get(w, 0)]
    streams = [_after(reader, mesh, writer, theirs.get(writer, 0), lines[writer].have.number) for writer in behind]
    taken: list[OpenBatch] = []
    for opened in heapq.merge(*streams, key=lambda opened: opened.content.stamp):
        budget -= len(opened.batch.content) + len(opened.batch.signature)
        if budget < 0 and taken:
            return _parcel(reader, taken, more=True)
        taken.append(opened)
    return _parcel(reader, taken, more=False)


def _after(reader: Reader, mesh: MeshId, writer: WriterId, number: int, last: int) -> Iterator[OpenBatch]:
    rows = reader.scan(Table.BATCHES, writer, batch_key(writer, number))
    for _, row in rows:
        opened = open_batch(decode_batch(row), mesh)
        if opened.content.number > last:
            return
        yield opened


def _parcel(reader: Reader, taken: list[OpenBatch], more: bool) -> Parcel:
    return Parcel(tuple(opened.batch for opened in taken), certificates_for(reader, taken), more)


def certificates_for(reader: Reader, batches: Iterable[OpenBatch]) -> tuple[bytes, ...]:
    """The certificates of writers whose first batch is among `batches`: whoever has that one has the certificate."""
    wanted: list[CertificateHash] = []
    for opened in batches:
        if opened.content.number == 1 and opened.content.certificate not in wanted:
            wanted.append(opened.content.certificate)
    found = [reader.get(Table.CERTIFICATES, certificate) for certificate in wanted]
    return tuple(raw for raw in found if raw is not None)
