"""The in-memory replica keeps the contract of all replicas.

Invariant: what holds here holds for LMDB, because both run the same tests.
"""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from mesh.crdt.replica import MemoryReplica, Table, Write
from tests.crdt.replica_contract import ReplicaContract, WritableReplica


class TestMemoryReplica(ReplicaContract):
    def made(self) -> Iterator[WritableReplica]:
        yield MemoryReplica()


class TestMemoryReplicaOnABase(ReplicaContract):
    def made(self) -> Iterator[WritableReplica]:
        yield MemoryReplica(MemoryReplica())


writes = st.lists(
    st.builds(
        Write,
        st.sampled_from((Table.META, Table.BOOK)),
        st.sampled_from((b"a", b"ab", b"b", b"c")),
        st.none() | st.sampled_from((b"1", b"2")),
    ),
    max_size=10,
)


@given(writes, writes)
def test_a_replica_on_a_base_reads_like_one_that_was_given_all_rows(below: list[Write], above: list[Write]) -> None:
    base, plain = MemoryReplica(), MemoryReplica()
    base.write(below)
    rows = [list(base.scan(table)) for table in Table]
    upon = MemoryReplica(base)
    upon.write(above)
    plain.write([*below, *above])
    for table in Table:
        for prefix, after in ((b"", b""), (b"a", b""), (b"", b"ab"), (b"a", b"a")):
            assert list(upon.scan(table, prefix, after)) == list(plain.scan(table, prefix, after))
        for key in (b"a", b"ab", b"b", b"c"):
            assert upon.get(table, key) == plain.get(table, key)
    assert [list(base.scan(table)) for table in Table] == rows
