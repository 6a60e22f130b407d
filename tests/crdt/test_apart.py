"""Two live values of one writer are proven only by what shows that they lie on different branches."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.crdt.apart import check_apart, places_between
from mesh.crdt.batch import OpenBatch, open_batch
from mesh.crdt.proving import read_batch
from mesh.errors import MalformedMessage
from mesh.ids import Dot, RecordId
from tests.crdt.site import MESH, Pen, Site, put

RECORD = RecordId("unit", "BTF/DIPOLE/1")
laws = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
lengths = st.integers(0, 5)


class Fork:
    """A writer with `before` batches, and copies of it that wrote `ways` more each; the last of each branch is live."""

    def __init__(self, before: int, ways: tuple[int, ...]) -> None:
        pen = Pen()
        self.trunk = [pen.next() for _ in range(before)]
        self.site = Site("fresh")
        self.site.merge(*self.trunk)
        self.branches: list[list[OpenBatch]] = []
        self.live: list[Dot] = []
        for index, way in enumerate(ways):
            copy = pen.copy()
            batches = [*(copy.next(about={"of": str(index)}) for _ in range(way)), copy.next(put(RECORD, "a", index))]
            self.site.merge(*batches)
            self.branches.append([open_batch(batch, MESH) for batch in batches])
            self.live.append(copy.dot())

    def tips(self) -> list[OpenBatch]:
        return [branch[-1] for branch in self.branches]

    def between(self) -> list[OpenBatch]:
        found = [read_batch(self.site.disk, place) for place in places_between(self.site.disk, self.live)]
        return [open_batch(batch, MESH) for batch in found if batch is not None]


@laws
@given(lengths, st.lists(lengths, min_size=1, max_size=4).map(tuple))
def test_values_of_different_branches_are_shown_to_be_apart(before: int, ways: tuple[int, ...]) -> None:
    fork = Fork(before, ways)
    check_apart(fork.tips(), fork.between())


@laws
@given(lengths, lengths, lengths, st.data())
def test_without_any_one_of_the_batches_between_nothing_is_shown(
    before: int, one: int, more: int, data: st.DataObject
) -> None:
    fork = Fork(before, (one, one + more))
    between = fork.between()
    assert len(between) == max(0, more - 1)
    if not between:
        return
    between.remove(data.draw(st.sampled_from(between)))
    with pytest.raises(MalformedMessage, match="is not in the proof"):
        check_apart(fork.tips(), between)


@laws
@given(lengths, lengths, lengths, st.data())
def test_values_of_one_chain_are_never_both_live(before: int, way: int, other: int, data: st.DataObject) -> None:
    fork = Fork(before, (way + 1, other))
    chain, foreign = fork.branches
    first, last = sorted(data.draw(st.lists(st.integers(0, way + 1), min_size=2, max_size=2, unique=True)))
    with pytest.raises(MalformedMessage, match=r"not all live|is not in the proof"):
        check_apart([chain[first], chain[last]], foreign)
    with pytest.raises(MalformedMessage, match="not all live"):
        check_apart([chain[first], chain[last]], [*chain, *foreign])


def test_two_changes_of_one_batch_are_not_both_live() -> None:
    (tip,) = Fork(1, (1,)).tips()
    with pytest.raises(MalformedMessage, match="of one batch"):
        check_apart([tip, tip], [])
