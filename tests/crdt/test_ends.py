"""An end is what the mesh's admin signed, and a set of ends does not depend on the order in which they came."""

from itertools import permutations

import msgspec
import pytest

from mesh.crdt.ends import (
    DOMAIN,
    NODE_DOMAIN,
    End,
    Ends,
    SignedEnd,
    decode_signed,
    end_write,
    open_end,
    read_ends,
    sign_end,
)
from mesh.crdt.replica import MemoryReplica
from mesh.errors import MalformedMessage
from mesh.ids import NO_BATCH, BatchHash, NodeId, WriterId
from sim.trust import CheapTrust
from tests.crdt.admin import ADMIN, node_end_of
from tests.crdt.site import MESH

WRITER = WriterId(b"a writer with id")
TRUST = CheapTrust("a")


def end(number: int = 1, **given: object) -> End:
    first = BatchHash(bytes([number]) * 32) if number else NO_BATCH
    return msgspec.structs.replace(End(DOMAIN, MESH, WRITER, number, first, b"", "lost", "admin", 1), **given)


def signed(said: End) -> SignedEnd:
    return sign_end(said, ADMIN.sign)


@pytest.mark.parametrize("number", [0, 1, 7])
def test_what_the_admin_signed_is_opened(number: int) -> None:
    assert open_end(signed(end(number)), MESH, TRUST) == end(number)


@pytest.mark.parametrize(
    "bad",
    [
        end(domain="another/1"),
        end(mesh=b"another mesh id!"),
        end(writer=b"short"),
        end(branch=b"short"),
        end(0, hash=b"\1" * 32),
        end(hash=NO_BATCH),
        end(stamp=-1),
        end(domain=NODE_DOMAIN),
        end(0, domain=NODE_DOMAIN, branch=b"b" * 32),
    ],
)
def test_an_end_that_makes_no_sense_is_refused(bad: End) -> None:
    with pytest.raises(MalformedMessage):
        open_end(signed(bad), MESH, TRUST)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_end_of_a_node_is_the_first_of_its_ends_and_takes_no_batch(order: tuple[int, ...]) -> None:
    node = NodeId(WRITER)
    said = [node_end_of(node, 9), node_end_of(node, 7, "b"), node_end_of(node, 7, "a")]
    ends = Ends()
    for place in order:
        assert ends.add(said[place], open_end(said[place], MESH, TRUST))
    assert (ends.nodes[node].stamp, ends.nodes[node].reason) == (7, "a")
    assert (ends.of(WRITER), ends.beyond(WRITER, 5)) == ([], None)


def test_nobody_but_the_admin_ends_a_writer() -> None:
    with pytest.raises(MalformedMessage, match="admin"):
        open_end(sign_end(end(), TRUST.sign), MESH, TRUST)


def test_ends_are_kept_and_read_again_in_any_order() -> None:
    said = [signed(end(3)), signed(end(1)), signed(end(2, branch=b"b" * 32))]
    found = []
    for order in permutations(said):
        disk, ends = MemoryReplica(), Ends()
        disk.write(map(end_write, order))
        assert all(ends.add(one, open_end(one, MESH, TRUST)) for one in order)
        assert not any(ends.add(one, open_end(one, MESH, TRUST)) for one in order)
        assert read_ends(disk).by_name == ends.by_name
        found.append(sorted(ends.by_name))
    assert all(names == found[0] for names in found)


def test_a_row_that_is_no_end_is_said() -> None:
    with pytest.raises(MalformedMessage):
        decode_signed(b"\xc1")
