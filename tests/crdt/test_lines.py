"""A context: what is held and applied of every writer, and a digest that moves with it.

Invariant: the digest depends on the `have` heads alone.
"""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mesh.crdt.lines import Branch, Context, Line, has_forks, line_write, read_family, read_lines
from mesh.crdt.replica import MemoryReplica
from mesh.ids import Head
from tests.strategies import hashes

writers = st.integers(1, 5).map(lambda number: number.to_bytes(16, "big"))
heads = st.builds(Head, writers, st.integers(1, 2**63 - 1), hashes)
lines = st.builds(lambda head, stamp: Line(head, head, stamp, b"key"), heads, st.integers(0, 2**63))


@given(st.lists(lines, max_size=12))
def test_the_digest_after_moves_is_that_of_the_lines(moves: list[Line]) -> None:
    moved = Context({})
    for line in moves:
        moved.move(line)
    assert moved.digest == Context(moved.lines).digest
    assert moved.digest == Context(dict(reversed(moved.lines.items()))).digest
    assert moved.heads() == tuple(sorted(line.have for line in moved.lines.values()))


@given(lines, lines)
def test_different_heads_have_different_digests(one: Line, two: Line) -> None:
    digests = [Context({line.have.writer: line}).digest for line in (one, two)]
    assert (digests[0] == digests[1]) == (one.have == two.have)


@given(st.lists(lines, max_size=6))
def test_lines_come_back_from_the_replica(moves: list[Line]) -> None:
    disk = MemoryReplica()
    disk.write(map(line_write, moves))
    assert read_lines(disk) == {line.have.writer: line for line in moves}


@given(lines, st.integers(0, 2**63))
def test_the_digest_does_not_speak_of_what_is_applied(line: Line, number: int) -> None:
    behind = msgspec.structs.replace(line, applied=Head(line.have.writer, number, bytes(32)), stamp=0)
    assert Context({line.have.writer: behind}).digest == Context({line.have.writer: line}).digest


def test_a_token_names_what_is_applied_and_each_branch_of_a_fork() -> None:
    writer, line = bytes(16), b"x" * 16
    head, before = Head(writer, 3, b"h" * 32), Head(writer, 2, b"b" * 32)
    context = Context({writer: Line(head, before, 0, b"")})
    assert context.token() == {writer: 2}
    branch = Line(Head(writer, 2, b"o" * 32), Head(writer, 1, b"f" * 32), 0, b"", Branch(line, writer, 2))
    context.move(branch)
    assert context.token() == {writer + b"b" * 8: 2}
    context.move(msgspec.structs.replace(branch, applied=branch.have))
    assert context.token() == {writer + b"b" * 8: 2, writer + b"o" * 8: 2}
    assert [line.id for line in context.family(writer)] == [writer, line]
    context.move(Line(head, Head(writer, 1, b"f" * 32), 0, b""))
    assert context.token() == {writer + b"o" * 8: 2}  # What lies before it goes without saying.


def test_a_branch_comes_back_from_the_replica_beside_its_writer() -> None:
    writer = bytes(16)
    head = Head(writer, 3, b"h" * 32)
    lines = [Line(head, head, 0, b""), Line(head, head, 0, b"", Branch(b"x" * 16, writer, 2))]
    disk = MemoryReplica()
    disk.write(map(line_write, lines))
    assert list(read_lines(disk).values()) == list(read_family(disk, writer).values()) == lines
    assert has_forks(disk)


def test_a_copy_does_not_move_with_the_original() -> None:
    context = Context({})
    copy = context.copy()
    context.move(Line(Head(bytes(16), 1, bytes(32)), Head(bytes(16), 1, bytes(32)), 0, b""))
    assert copy.digest == Context({}).digest != context.digest
