"""Sums over what is held, by bucket of its key, so that two holders find where they differ without naming it all (DESIGN §8).

Invariant: equal entries give equal sums whatever the order they came in; a coarser sum is the sum of finer ones. Sums are additive
and carry no security claim: what they help to find is signed.
"""

from hashlib import blake2b

from msgspec import Struct

from mesh.errors import MalformedMessage

BUCKETS_MAX = 256  # A bucket is the first byte of a key; keys are hashes, so that buckets fill evenly.
BUCKETS_MIN = 16
SUM_BYTES = 8  # Of a bucket: two that differ look equal once in 2^64, and never twice, because heads move.
SUM_MODULUS = 1 << 128


class Span(Struct, frozen=True, array_like=True):
    """Some of all keys: those in the named ones of `of` buckets, above `after` and up to `until` (empty: to the last).

    `of` is a power of two up to 256; a bucket's number is the first byte of its keys, scaled to `of`.
    """

    of: int
    buckets: bytes
    after: bytes = b""
    until: bytes = b""

    def covers(self, key: bytes) -> bool:
        """Whether `key` is one of these. No key is in a span that makes no sense."""
        if not key or not self.after < key or (self.until and key > self.until):
            return False
        return 1 <= self.of <= BUCKETS_MAX and key[0] * self.of // BUCKETS_MAX in self.buckets


EVERYTHING = Span(1, b"\0")
NOTHING = Span(1, b"")


def grain_for(count: int) -> int:
    """How many buckets are worth while for `count` entries: about two entries in each."""
    of = BUCKETS_MIN
    while of < BUCKETS_MAX and 2 * of < count:
        of *= 2
    return of


def grain_of(sums: bytes) -> int:
    """How many buckets these are the sums of. Raises MalformedMessage where nobody makes such sums."""
    of = len(sums) // SUM_BYTES
    if of * SUM_BYTES != len(sums) or not 1 <= of <= BUCKETS_MAX or of & (of - 1):
        raise MalformedMessage(f"sums of a power of two of buckets were expected, {len(sums)} bytes came")
    return of


def differing(mine: bytes, theirs: bytes) -> bytes:
    """The numbers of the buckets whose sums differ, of two lists of sums of one length."""
    assert len(mine) == len(theirs), "sums of different grain were compared"
    count = len(mine) // SUM_BYTES
    cuts = [slice(number * SUM_BYTES, (number + 1) * SUM_BYTES) for number in range(count)]
    return bytes(number for number, cut in enumerate(cuts) if mine[cut] != theirs[cut])


def weigh(entry: bytes) -> int:
    """What one entry adds to the sum of its bucket."""
    return int.from_bytes(blake2b(entry, digest_size=16).digest(), "big")


class Sums:
    """The sums of a set of entries."""

    __slots__ = ("_buckets", "_digest", "total")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}  # Only those that ever held something.
        self.total = 0
        self._digest = bytes(16)  # Of the total; empty: not worked out yet.

    def copy(self) -> "Sums":
        """Another set's sums, which begin with these."""
        copy = Sums()
        copy._buckets, copy.total, copy._digest = dict(self._buckets), self.total, self._digest
        return copy

    def add(self, key: bytes, weight: int) -> None:
        """Count an entry in; a negative weight counts it out again."""
        self._buckets[key[0]] = (self._buckets.get(key[0], 0) + weight) % SUM_MODULUS
        self.total = (self.total + weight) % SUM_MODULUS
        self._digest = b""

    @property
    def digest(self) -> bytes:
        """16 bytes over all entries."""
        self._digest = self._digest or self.total.to_bytes(16, "big")
        return self._digest

    def coarse(self, of: int) -> bytes:
        """The sums of `of` buckets, 8 bytes each."""
        found = [0] * of
        for bucket, total in self._buckets.items():
            found[bucket * of // BUCKETS_MAX] += total
        return b"".join((total % (1 << 8 * SUM_BYTES)).to_bytes(SUM_BYTES, "big") for total in found)
