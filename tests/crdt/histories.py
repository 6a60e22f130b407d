"""Histories that could have happened: real ledgers write and exchange at random, each with a clock of its own.

Invariant: the same steps give the same batches, byte for byte.
"""

from hypothesis import strategies as st
from msgspec import Struct

from mesh.crdt.batch import Batch
from mesh.crdt.compose import Bury, Clear, Edit, Put, Restore
from mesh.ids import RecordId
from tests.crdt.site import NOON, YEARS, Site, exchange

NAMES = ("a", "b", "c")
RECORDS = (RecordId("unit", "BTF/DIPOLE/1"), RecordId("unit", "BTF/DIPOLE/2"))
FIELDS = ("current", "labels.zone")


class Wrote(Struct, frozen=True):
    """Somebody wrote something, at what its clock held for that time."""

    site: int
    edits: tuple[Edit, ...]
    clock_s: float


class Pulled(Struct, frozen=True):
    """One site got what another had."""

    site: int
    source: int


records = st.sampled_from(RECORDS)
fields = st.sampled_from(FIELDS)
edits = st.one_of(
    st.builds(Put, records, fields, st.integers(0, 2)),
    st.builds(Put, records, fields, st.integers(0, 2)),
    st.builds(Clear, records, fields),
    st.builds(Bury, records),
    st.builds(Restore, records),
)
writes = st.lists(edits, min_size=1, max_size=3, unique_by=lambda edit: (edit.record, getattr(edit, "field", ""))).map(
    tuple
)
sites = st.integers(0, len(NAMES) - 1)
clocks = st.one_of(st.just(0.0), st.floats(-10 * YEARS, 10 * YEARS))
steps = st.lists(st.builds(Wrote, sites, writes, clocks) | st.builds(Pulled, sites, sites), min_size=1, max_size=14)


def played(history: list[Wrote | Pulled]) -> list[Site]:
    """The sites after `history`."""
    played = [Site(name) for name in NAMES]
    for step in history:
        match step:
            case Wrote(site, edits, clock_s):
                played[site].write(*edits, now=NOON + clock_s)
            case Pulled(site, source):
                played[site].pull(played[source])
    return played


def batches_of(sites: list[Site]) -> list[Batch]:
    """All batches that exist, after the sites told each other everything."""
    exchange(sites)
    return sites[0].log()


histories = steps.map(played)
