"""Outgoing: parcels leave as the peer that gets them allows, and a row that cannot be read holds up its writer alone."""

from mesh.crdt.replica import Table, Write
from mesh.effects import Stream
from mesh.events import Tick
from mesh.gossip.incoming import WINDOW
from mesh.gossip.outgoing import PARCEL_BATCHES
from mesh.messages import Batches, More
from tests.gossip.sides import Side, talk
from tests.gossip.writers import NAMES, PENS, peers


def test_no_more_parcels_are_under_way_than_there_is_credit_for() -> None:
    one, two = Side("a"), peers(60)[1]
    queue = one.meet(two)
    under_way = most = taken = 0
    while queue:
        heard = [answer for said in queue if isinstance(said, Stream) for answer in two.hear("a", said.message)]
        while two.core.deadline() <= 0.0:
            heard += two.handle(Tick())
        parcels = [said for said in heard if isinstance(said, Stream) and isinstance(said.message, Batches)]
        under_way += len(parcels)
        most = max(most, under_way)
        queue = [answer for said in heard if isinstance(said, Stream) for answer in one.hear("b", said.message)]
        taken += sum(len(parcel.message.batches) for parcel in parcels)
        under_way -= len(parcels)
        assert all(len(parcel.message.batches) <= PARCEL_BATCHES for parcel in parcels)
    assert most <= WINDOW
    assert taken == 60 * len(NAMES)
    assert one.site.log() == two.site.log()


def test_an_unreadable_row_ends_its_own_writer_alone_and_is_told_once() -> None:
    one, two = Side("a"), peers(3)[1]
    writer = PENS["w5"].writer
    two.site.disk.write([Write(Table.BATCHES, writer + (2).to_bytes(8, "big"), b"no batch")])
    talk(one, two)
    lost = [emit.about["number"] for emit in two.told if emit.name == "ledger.unreadable"]
    assert lost == [2]
    have = one.site.heads()
    assert have[writer] == 1
    assert sorted(have.values()) == [1] + [3] * (len(NAMES) - 1)
    talk(one, two)
    assert len([emit for emit in two.told if emit.name == "ledger.unreadable"]) == 1


def test_credit_for_another_session_frees_nothing() -> None:
    one, two = Side("a"), peers(20)[1]
    for said in one.meet(two):
        two.hear("a", said.message)
    while two.core.deadline() <= 0.0:
        two.handle(Tick())
    assert two.hear("a", More(0, 9)) == []
