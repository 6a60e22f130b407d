"""Records as they are shown: in order, whole, and with what disagrees."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.crdt.compose import Bury, Clear, Put
from mesh.crdt.view import read_record, scan_records
from mesh.ids import RecordId
from tests.crdt.site import NOON, Site, exchange

RECORD = RecordId("unit", "BTF/DIPOLE/1")
keys = st.text("a/\x01é\uffff", min_size=1, max_size=4)


@given(st.sets(keys, max_size=6), keys, st.text("a/", max_size=2))
@settings(max_examples=60, deadline=None)
def test_a_collection_is_scanned_in_order_from_behind_any_key(present: set[str], after: str, prefix: str) -> None:
    ada = Site("a")
    for key in sorted(present):
        ada.write(
            Put(RecordId("unit", key), "b", 1), Put(RecordId("unit", key), "a", 2), Put(RecordId("unit", key), "é", 3)
        )
    ada.write(Put(RecordId("unitx", "a"), "b", 1), Put(RecordId("uni", "z"), "b", 1))
    wanted = [key for key in sorted(present, key=str.encode) if key.startswith(prefix)]
    assert [stored.record.key for stored in scan_records(ada.disk, "unit", prefix)] == wanted
    rest = [key for key in wanted if key.encode() > after.encode()]
    found = list(scan_records(ada.disk, "unit", prefix, after))
    assert [stored.record.key for stored in found] == rest
    assert all(stored == read_record(ada.disk, stored.record) for stored in found)


def test_a_record_that_was_never_written_is_none() -> None:
    ada = Site("a")
    ada.write(Put(RecordId("unit", "BTF/DIPOLE/10"), "current", 1))
    assert ada.show(RECORD) is None


def test_a_record_exists_while_it_shows_a_value_and_is_not_buried() -> None:
    ada = Site("a")
    ada.write(Put(RECORD, "current", None))
    assert ada.show(RECORD).exists
    assert ada.fields(RECORD) == {"current": None}
    ada.write(Clear(RECORD, "current"))
    assert not ada.show(RECORD).exists
    ada.write(Put(RECORD, "current", 1))
    ada.write(Bury(RECORD))
    assert not ada.show(RECORD).exists


def test_the_newest_change_is_the_one_with_the_highest_stamp() -> None:
    ada, bob = Site("a"), Site("b")
    ada.write(Put(RECORD, "current", 1), now=NOON + 5)
    bob.write(Put(RECORD, "voltage", 2), now=NOON + 9)
    ada.write(Bury(RECORD), now=NOON + 7)
    exchange((ada, bob))
    assert ada.show(RECORD).newest().author == "b"
