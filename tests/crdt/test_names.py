"""What a node is called follows from the certificates alone."""

from itertools import permutations

import msgspec

from mesh.crdt.compose import Put
from mesh.crdt.keys import NODE_NAME
from mesh.crdt.names import missing_names, name_writes, node_name
from mesh.crdt.replica import MemoryReplica, Table, Write
from mesh.ids import RecordId
from sim.trust import CheapTrust, certificate_for
from tests.crdt.site import Site, exchange

RECORD = RecordId("unit", "BTF/1")


def two_sites() -> tuple[Site, Site]:
    a, b = Site("a"), Site("b")
    for site in (a, b):
        site.write(Put(RECORD, "host", site.name))
    exchange([a, b])
    return a, b


def test_every_writer_whose_batches_are_here_has_its_nodes_name() -> None:
    sites = two_sites()
    for site in sites:
        assert [node_name(site.disk, each.ledger.writer) for each in sites] == ["a", "b"]
        assert missing_names(site.disk, CheapTrust(site.name)) == []


def test_names_that_are_gone_are_taken_from_the_certificates() -> None:
    site, other = two_sites()
    site.disk.write([Write(Table.META, key, None) for key, _ in site.disk.scan(Table.META, NODE_NAME)])
    assert node_name(site.disk, other.ledger.writer) == ""
    site.disk.write(missing_names(site.disk, CheapTrust("a")))
    assert [node_name(site.disk, each.ledger.writer) for each in (site, other)] == ["a", "b"]


def test_what_is_no_certificate_names_nobody() -> None:
    site, other = two_sites()
    site.disk.write([Write(Table.META, key, None) for key, _ in site.disk.scan(Table.META, NODE_NAME)])
    site.disk.write([Write(Table.CERTIFICATES, key, b"?") for key, _ in site.disk.scan(Table.CERTIFICATES)])
    assert missing_names(site.disk, CheapTrust("a")) == []
    assert node_name(site.disk, other.ledger.writer) == ""


def test_of_several_names_of_a_node_the_least_counts_in_whatever_order_they_come() -> None:
    first = CheapTrust("a").read_certificate(certificate_for("a"))
    given = [msgspec.structs.replace(first, name=name) for name in ("b", "a", "c")]
    for order in permutations(given):
        replica = MemoryReplica()
        for certificate in order:
            with replica.read() as reader:
                writes = name_writes(reader, certificate)
            replica.write(writes)
        assert replica.get(Table.META, NODE_NAME + first.node) == b"a"
