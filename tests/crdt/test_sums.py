"""Sums by bucket: equal sets have equal sums, and coarse sums are sums of fine ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.crdt.sums import (
    BUCKETS_MAX,
    BUCKETS_MIN,
    EVERYTHING,
    NOTHING,
    SUM_BYTES,
    Span,
    Sums,
    differing,
    grain_for,
    grain_of,
    weigh,
)
from mesh.errors import MalformedMessage

keys = st.binary(min_size=16, max_size=16)
grains = st.sampled_from([16, 32, 64, 128, 256])


def sums_of(entries: list[bytes]) -> Sums:
    made = Sums()
    for entry in entries:
        made.add(entry, weigh(entry))
    return made


@given(st.lists(keys, unique=True), grains)
def test_sums_do_not_depend_on_the_order(entries: list[bytes], of: int) -> None:
    shuffled = sorted(entries)
    assert sums_of(entries).digest == sums_of(shuffled).digest
    assert sums_of(entries).coarse(of) == sums_of(shuffled).coarse(of)


@given(st.lists(keys, unique=True), st.lists(keys, unique=True), grains)
def test_what_differs_is_in_a_bucket_that_differs(mine: list[bytes], yours: list[bytes], of: int) -> None:
    apart = set(mine) ^ set(yours)
    span = Span(of, differing(sums_of(mine).coarse(of), sums_of(yours).coarse(of)))
    assert all(span.covers(key) for key in apart)
    assert set(span.buckets) == {key[0] * of // BUCKETS_MAX for key in apart}
    assert (sums_of(mine).digest == sums_of(yours).digest) == (not apart)


@given(st.lists(keys, unique=True), keys)
def test_an_entry_that_is_taken_out_leaves_no_trace(entries: list[bytes], other: bytes) -> None:
    made = sums_of(entries)
    made.add(other, weigh(other))
    made.add(other, -weigh(other))
    assert made.digest == sums_of(entries).digest
    assert made.coarse(64) == sums_of(entries).coarse(64)


@given(keys, keys, keys)
def test_spans_cut_at_a_key_share_no_key_and_leave_none_out(key: bytes, one: bytes, two: bytes) -> None:
    low, high = sorted((one, two))
    parts = [Span(1, b"\0", b"", low), Span(1, b"\0", low, high), Span(1, b"\0", high, b"")]
    assert sum(part.covers(key) for part in parts) == 1
    assert EVERYTHING.covers(key)
    assert not NOTHING.covers(key)


@pytest.mark.parametrize("of", [-1, 0, 257, 2**40])
def test_a_span_that_makes_no_sense_covers_nothing(of: int) -> None:
    assert not Span(of, bytes(range(256))).covers(b"key")
    assert not EVERYTHING.covers(b"")


def test_the_grain_follows_the_number_of_entries_within_limits() -> None:
    assert [grain_for(count) for count in (0, 32, 33, 200, 10_000)] == [BUCKETS_MIN, 16, 32, 128, BUCKETS_MAX]


def test_only_sums_of_a_power_of_two_of_buckets_are_taken() -> None:
    assert [grain_of(bytes(SUM_BYTES * of)) for of in (1, 16, 256)] == [1, 16, 256]
    for size in (0, 7, SUM_BYTES * 3, SUM_BYTES * 512):
        with pytest.raises(MalformedMessage):
            grain_of(bytes(size))
