"""Who this node is as a writer, and when it must become another one (DESIGN §4).

Invariant: a writer identity belongs to one unbroken chain on one disk; the nonce is stored with the first batch written under it,
or when a guard trips, whichever is first.
"""

from collections.abc import Callable

from msgspec import Struct

from mesh.crdt.batch import writer_id
from mesh.crdt.keys import ERA
from mesh.crdt.replica import Reader, Table
from mesh.ids import CertificateHash, WriterId


class Author(Struct, frozen=True):
    """This node as a writer: its certificate, the nonce of its era, and the identity that follows from both."""

    certificate: CertificateHash
    era: bytes
    writer: WriterId


def author_in(certificate: CertificateHash, era: bytes) -> Author:
    """The writer that the holder of `certificate` is in `era`."""
    return Author(certificate, era, writer_id(certificate, era))


def read_author(reader: Reader, certificate: CertificateHash, entropy: Callable[[int], bytes]) -> Author:
    """The writer that this replica goes on as; a new one where the replica has none."""
    return author_in(certificate, reader.get(Table.META, ERA) or entropy(16))
