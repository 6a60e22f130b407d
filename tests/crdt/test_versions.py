"""What was seen of a record is still there, or the guard says what is."""

import pytest
from hypothesis import given, settings

from mesh.crdt.compose import Clear, Put
from mesh.crdt.token import encode_token
from mesh.crdt.versions import Expect, check_expected, field_version, live_dots, record_version
from mesh.errors import Unmet
from mesh.ids import RecordId
from tests.crdt.histories import RECORDS, histories
from tests.crdt.site import Site, exchange

NOTE = RecordId("note", "x")


def written(*values: int) -> Site:
    site = Site("a")
    for value in values:
        site.write(Put(NOTE, "a", value))
    return site


def token(site: Site) -> str:
    return encode_token(site.ledger.durable.token())


@given(histories)
@settings(max_examples=40, deadline=None)
def test_replicas_with_the_same_batches_have_the_same_versions(sites: list[Site]) -> None:
    exchange(sites)
    for record in RECORDS:
        shown = [site.show(record) for site in sites]
        assert len({record_version(stored) if stored is not None else "" for stored in shown}) == 1


def test_every_change_makes_another_version_and_none_makes_none() -> None:
    site = written(1)
    versions = [record_version(site.show(NOTE))]
    for edit in (Put(NOTE, "a", 1), Put(NOTE, "b", 1), Clear(NOTE, "b")):
        site.write(edit)
        versions.append(record_version(site.show(NOTE)))
    site.write(Put(RecordId("note", "y"), "a", 1))
    assert (len(set(versions)), record_version(site.show(NOTE))) == (4, versions[-1])


def test_a_policy_that_shows_another_value_makes_another_version() -> None:
    a, b = written(1), Site("b")
    b.write(Put(NOTE, "a", 2))
    exchange((a, b))
    before = record_version(a.show(NOTE))
    a.write(Put(RecordId("policy", "p"), "rule", "ask"))
    assert record_version(a.show(NOTE)) != before


def test_what_is_as_it_was_seen_passes() -> None:
    site = written(1)
    stored = site.show(NOTE)
    (dot,) = map(str, live_dots(stored))
    for expect in (
        Expect(),
        Expect(exists=True),
        Expect(versions=("other", record_version(stored))),
        Expect(token=token(site)),
        Expect(fields={"a": (dot,), "b": ()}),
        Expect(fields={"a": (field_version(stored.cells["a"]),)}),
    ):
        check_expected(NOTE, stored, expect)
    check_expected(NOTE, None, Expect(absent=True, fields={"a": ()}))
    check_expected(NOTE, None, Expect(token=token(site)))


def test_what_is_not_as_it_was_seen_is_told_with_who_wrote_it() -> None:
    site = written(1)
    before, seen = site.show(NOTE), token(site)
    site.write(Put(NOTE, "a", 2))
    stored = site.show(NOTE)
    (old,), (new,) = (map(str, live_dots(one)) for one in (before, stored))
    for expect in (
        Expect(absent=True),
        Expect(versions=(record_version(before),)),
        Expect(versions=()),
        Expect(token=seen),
        Expect(fields={"a": ()}),
        Expect(fields={"a": (old,)}),
        Expect(fields={"a": (old, new)}),
    ):
        with pytest.raises(Unmet, match="last written by a") as unmet:
            check_expected(NOTE, stored, expect)
        (there,) = unmet.value.details["there"]
        assert (there["dot"], there["value"], there["author"], unmet.value.details["key"]) == (new, 2, "a", "x")


@pytest.mark.parametrize("expect", [Expect(exists=True), Expect(versions=("v",)), Expect(fields={"a": ("1.1.1.1",)})])
def test_what_is_not_there_at_all_is_absent(expect: Expect) -> None:
    with pytest.raises(Unmet) as unmet:
        check_expected(NOTE, None, expect)
    assert (unmet.value.details["found"], unmet.value.details["there"]) == ("absent", [])
