"""The fingerprint in memory is the one on the disk, whatever moved."""

from hypothesis import HealthCheck, given, settings

from mesh.crdt.fingerprint import BUCKETS, SHORT_BYTES, Fingerprint, add_weights, bucket_of, read_fingerprint, shift
from mesh.crdt.replica import Table
from tests.crdt.histories import histories
from tests.crdt.site import Site, exchange


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories)
def test_what_a_ledger_keeps_in_memory_is_what_is_on_its_disk(sites: list[Site]) -> None:
    exchange(sites)
    shorts = {site.ledger.fingerprint.short for site in sites}
    assert len(shorts) == 1
    for site in sites:
        assert site.ledger.fingerprint.short.hex() == read_fingerprint(site.disk)[: 2 * SHORT_BYTES]
        assert site.ledger.fingerprint.sums() == Fingerprint(site.disk.scan(Table.BUCKETS)).sums()


def test_a_bucket_that_came_back_to_nothing_counts_like_one_that_never_was() -> None:
    assert Fingerprint([(b"a", shift(None, 0))]).short == Fingerprint([]).short
    assert Fingerprint([(b"a", shift(None, 0))]).sums() == Fingerprint([]).sums()


def test_a_moved_bucket_moves_the_fingerprint_and_its_own_sum_alone() -> None:
    prints = Fingerprint([(b"a", shift(None, 5)), (b"b", shift(None, 6))])
    before, sums = prints.short, prints.sums()
    prints.move(b"a", shift(None, 7))
    assert prints.short != before
    assert [n for n in range(BUCKETS) if prints.sums()[n] != sums[n]] == [ord("a")]
    prints.move(b"a", shift(None, 5))
    assert prints.short == before


def test_cells_spread_over_the_buckets() -> None:
    assert len({bucket_of(b"unit\0%d\0current" % n) for n in range(5_000)}) == BUCKETS


def test_weights_go_to_the_buckets_of_their_cells() -> None:
    sums = {bucket_of(b"one"): 5}
    add_weights(sums, [b"one", b"two", b"one"], [1, 2, -9])
    assert sums == {bucket_of(b"one"): -3, bucket_of(b"two"): 2}
