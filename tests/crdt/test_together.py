"""Writes that share a batch are each spoken of alone.

Invariant: whatever a batch says of its parts, they are neighbours and cover its changes.
"""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.crdt.compose import Edit, Put
from mesh.crdt.effects import Composed, NotComposed
from mesh.crdt.events import Compose, ComposeTogether
from mesh.crdt.standing import Standings, read_batch, standing_of
from mesh.crdt.together import PARTS, joined, part_of
from mesh.errors import UsageError
from mesh.ids import Dot, RecordId
from tests.crdt.site import Site

sizes = st.lists(st.integers(1, 4), min_size=2, max_size=5)


def record(number: int) -> RecordId:
    return RecordId("note", f"n{number}")


def write(request: int, size: int) -> Compose:
    edits = tuple(Put(record(request), f"f{field}", field) for field in range(size))
    return Compose(request, edits, "ada", {"reason": "together"})


def composed(site: Site, sizes: list[int]) -> list[Composed]:
    site.tell(ComposeTogether(tuple(write(request, size) for request, size in enumerate(sizes))))
    return [said for said in site.settle() if isinstance(said, Composed)]


def dot_of(answer: Composed) -> Dot:
    assert answer.head is not None
    return Dot(answer.head.writer, answer.head.number, answer.first, answer.head.hash[:8])


@given(sizes)
def test_each_write_is_answered_with_its_own_first_change_of_the_one_batch(sizes: list[int]) -> None:
    site = Site("a")
    answers = composed(site, sizes)
    assert [answer.request for answer in answers] == list(range(len(sizes)))
    assert len({answer.head for answer in answers}) == 1
    opened = read_batch(site.disk, dot_of(answers[0]))
    assert opened is not None
    assert opened.content.about["reason"] == "together"
    for answer, size in zip(answers, sizes, strict=True):
        part = part_of(opened.content, answer.first)
        assert [opened.content.changes[index].record for index in part] == [record(answer.request)] * size
        assert all(part_of(opened.content, index) == part for index in part)


@given(sizes, st.data())
def test_what_replaces_one_write_leaves_the_standing_of_the_others(sizes: list[int], data: st.DataObject) -> None:
    site = Site("a")
    answers = composed(site, sizes)
    gone = data.draw(st.integers(0, len(sizes) - 1))
    site.write(*(Put(record(gone), f"f{field}", "new") for field in range(sizes[gone])))
    for answer in answers:
        expected = "superseded" if answer.request == gone else "current"
        assert Standings().of(site.disk, dot_of(answer)) == expected
    opened = read_batch(site.disk, dot_of(answers[0]))
    assert opened is not None
    assert standing_of(site.disk, opened) == "partly superseded"


@given(st.text("0123456789 -x", max_size=8) | st.just("0 1 2") | st.just("0 2"), st.integers(0, 3))
def test_whatever_a_batch_says_of_its_parts_they_cover_it_once(parts: str, index: int) -> None:
    site = Site("a")
    head = site.write(*(Put(record(0), f"f{field}", field) for field in range(3)))
    opened = read_batch(site.disk, Dot(head.writer, head.number, 0, head.hash[:8]))
    assert opened is not None
    content = msgspec.structs.replace(opened.content, about={PARTS: parts})
    found = [part_of(content, number) for number in range(3)]
    assert [number for part in dict.fromkeys(found) for number in part] == [0, 1, 2]
    assert all(number in part for number, part in enumerate(found))
    assert part_of(content, index) in (*found, range(3))


def test_where_one_of_them_is_refused_nothing_was_changed() -> None:
    site = Site("a")
    bad: tuple[Edit, ...] = (Put(record(1), "f", 2**70),)
    with pytest.raises(UsageError):
        site.tell(ComposeTogether((write(0, 1), Compose(1, bad, "ada"))))
    assert not site.waiting


def test_where_the_disk_fails_each_hears_so() -> None:
    site = Site("a")
    site.tell(ComposeTogether((write(0, 1), write(1, 2))))
    assert [said.request for said in site.fail() if isinstance(said, NotComposed)] == [0, 1]


def test_a_joined_write_says_where_each_begins() -> None:
    whole = joined((write(0, 2), write(1, 3), write(2, 1)))
    assert whole.about == {"reason": "together", PARTS: "0 2 5"}
    assert [edit.record for edit in whole.edits] == [record(n) for n in (0, 0, 1, 1, 1, 2)]
