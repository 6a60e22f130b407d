"""The fingerprint of a replica's live state: equal contexts must mean equal fingerprints.

Invariant: a bucket is the sum, modulo 2^256, of keyed hashes of (dot, value, cell) over the live siblings whose cell falls
into it; so it does not depend on the order of arrival and is kept by two additions per change. It is no security proof.
"""

from collections.abc import Iterable
from hashlib import blake2b, sha256
from zlib import crc32

from mesh.crdt.replica import Reader, Table
from mesh.ids import MeshId

BUCKETS = 256
SHORT_BYTES = 8  # Of a fingerprint beside a context's digest: enough to see an accident, and small on every probe.
_MODULUS = 1 << 256


def bucket_of(cell_key: bytes) -> int:
    """The bucket of a cell, 0 to 255. Spreads evenly and is cheap; nothing rests on its being hard to predict."""
    return crc32(cell_key) & 0xFF


def salted(mesh: MeshId) -> blake2b:
    """The hash that weighs siblings, before it has seen one: to be copied.

    The mesh id, 16 bytes that are no secret, keys it as its salt (RFC 7693 §2.5), which costs nothing where a key costs a block.
    """
    return blake2b(digest_size=32, salt=mesh)


def weigh(mesh: MeshId, cell_key: bytes, alone: bytes) -> int:
    """What one live sibling adds to its bucket. `alone` is the row of a cell that holds this sibling and no other.

    One hash covers the dot, the value and the cell: the row says where it ends, so no other pair gives the same bytes.
    """
    hashed = salted(mesh)
    hashed.update(alone + cell_key)
    return int.from_bytes(hashed.digest(), "big")


def shift(bucket: bytes | None, by: int) -> bytes:
    """A bucket's row after adding `by`, which may be negative."""
    return ((int.from_bytes(bucket or b"", "big") + by) % _MODULUS).to_bytes(32, "big")


def add_weights(sums: dict[int, int], cell_keys: Iterable[bytes], weights: Iterable[int]) -> None:
    """Add what cells weigh to the sums of their buckets, which may become negative."""
    for key, weight in zip(cell_keys, weights, strict=True):
        bucket = crc32(key) & 0xFF  # `bucket_of`, spelled out.
        sums[bucket] = sums.get(bucket, 0) + weight


def read_fingerprint(reader: Reader) -> str:
    """The whole fingerprint as 32 hexadecimal digits: a hash over all buckets that are not empty."""
    return _hash(reader.scan(Table.BUCKETS)).hex()[:32]


def _hash(buckets: Iterable[tuple[bytes, bytes]]) -> bytes:
    total = sha256()
    for key, bucket in buckets:
        if any(bucket):
            total.update(key + bucket)
    return total.digest()


class Fingerprint:
    """The buckets of one state, in memory."""

    __slots__ = ("_rows", "_short")

    def __init__(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        self._rows = dict(rows)
        self._short = b""

    def move(self, key: bytes, row: bytes | None) -> None:
        """Replace one bucket."""
        self._rows[key] = row or b""
        self._short = b""

    @property
    def short(self) -> bytes:
        """The first bytes of the whole fingerprint."""
        self._short = self._short or _hash(sorted(self._rows.items()))[:SHORT_BYTES]
        return self._short

    def sums(self) -> tuple[bytes, ...]:
        """The last bytes of every bucket: which of two replicas' buckets differ."""
        return tuple(
            self._rows.get(bytes([bucket]), b"")[-SHORT_BYTES:].rjust(SHORT_BYTES, b"\0") for bucket in range(BUCKETS)
        )
