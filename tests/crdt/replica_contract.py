"""What every replica promises, whatever it is made of.

Invariant: a replica answers as a plain dict would, in byte order; each call is seen as a whole.
"""

import string
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.crdt.replica import Replica, Table, Write


class WritableReplica(Replica, Protocol):
    """A replica that a test may write to."""

    def write(self, writes: Iterable[Write]) -> None: ...


Rows = list[tuple[bytes, bytes]]
TABLES = (Table.CELLS, Table.META)

keys = st.one_of(
    st.text(string.ascii_lowercase[:3], min_size=1, max_size=4).map(str.encode),
    st.binary(min_size=1, max_size=3),
    st.sampled_from([b"\x00", b"\xff", b"\xff\xff", b"a\x00b", b"a" * 511]),
)
bounds = st.one_of(st.just(b""), keys, st.just(b"a" * 600))
values = st.one_of(st.binary(max_size=8), st.just(b"v" * 5000))
writes = st.builds(Write, st.sampled_from(TABLES), keys, st.one_of(values, st.none()))
calls = st.lists(st.lists(writes, max_size=8), max_size=6)


def expected(model: dict[tuple[Table, bytes], bytes], table: Table, prefix: bytes, after: bytes) -> Rows:
    rows = sorted((key, value) for (of, key), value in model.items() if of is table)
    return [(key, value) for key, value in rows if key.startswith(prefix) and key > after]


class ReplicaContract(ABC):
    """Inherit, and say how to make an empty replica."""

    @abstractmethod
    def made(self) -> Iterator[WritableReplica]:
        """Yield one empty replica, then clean up."""

    @pytest.fixture
    def replica(self) -> Iterator[WritableReplica]:
        yield from self.made()

    # Inherited on purpose: the same law for several replicas, so the check against that is off.
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(calls=calls, scans=st.lists(st.tuples(bounds, bounds), min_size=1, max_size=6))
    def test_it_answers_as_a_dict_would(self, calls: list[list[Write]], scans: list[tuple[bytes, bytes]]) -> None:
        model: dict[tuple[Table, bytes], bytes] = {}
        with contextmanager(self.made)() as replica:
            for call in calls:
                replica.write(call)
                for table, key, value in ((w.table, w.key, w.value) for w in call):
                    model.pop((table, key), None)
                    if value is not None:
                        model[table, key] = value
            with replica.read() as reader:
                for table in TABLES:
                    for prefix, after in scans:
                        assert list(reader.scan(table, prefix, after)) == expected(model, table, prefix, after)
                        assert reader.get(table, prefix) == model.get((table, prefix))
                    wanted = [*(key for _, key in model), *(after for _, after in scans)]
                    there = {key: value for (of, key), value in model.items() if of is table}
                    assert reader.find(table, wanted) == there

    def test_a_missing_key_is_none(self, replica: WritableReplica) -> None:
        with replica.read() as reader:
            assert [reader.get(Table.META, key) for key in (b"no", b"", b"k" * 1000)] == [None] * 3
            assert list(reader.scan(Table.META)) == []

    def test_an_empty_value_is_a_value(self, replica: WritableReplica) -> None:
        replica.write([Write(Table.META, b"k", b"")])
        with replica.read() as reader:
            assert reader.get(Table.META, b"k") == b""

    def test_tables_are_apart(self, replica: WritableReplica) -> None:
        replica.write([Write(Table.META, b"k", b"meta"), Write(Table.CELLS, b"k", b"cell")])
        replica.write([Write(Table.META, b"k", None)])
        with replica.read() as reader:
            assert (reader.get(Table.META, b"k"), reader.get(Table.CELLS, b"k")) == (None, b"cell")

    def test_the_last_write_of_a_key_in_one_call_wins(self, replica: WritableReplica) -> None:
        replica.write([Write(Table.META, b"k", b"1"), Write(Table.META, b"k", None), Write(Table.META, b"k", b"3")])
        with replica.read() as reader:
            assert reader.get(Table.META, b"k") == b"3"

    def test_deleting_what_is_not_there_is_no_error(self, replica: WritableReplica) -> None:
        replica.write([Write(Table.META, b"k", None)])
        with replica.read() as reader:
            assert reader.get(Table.META, b"k") is None

    def test_after_a_prefix_scan_goes_on_where_the_last_one_stopped(self, replica: WritableReplica) -> None:
        replica.write([Write(Table.CELLS, b"a%d" % n, b"") for n in range(5)] + [Write(Table.CELLS, b"b", b"")])
        with replica.read() as reader:
            first = [key for _, (key, _) in zip(range(2), reader.scan(Table.CELLS, b"a"), strict=False)]
            rest = [key for key, _ in reader.scan(Table.CELLS, b"a", first[-1])]
        assert first + rest == [b"a0", b"a1", b"a2", b"a3", b"a4"]

    def test_two_readers_can_be_open_at_once(self, replica: WritableReplica) -> None:
        replica.write([Write(Table.META, b"k", b"v"), Write(Table.META, b"l", b"w")])
        with replica.read() as one, replica.read() as other:
            pairs = zip(one.scan(Table.META), other.scan(Table.META), strict=True)
            assert [left == right for left, right in pairs] == [True, True]
