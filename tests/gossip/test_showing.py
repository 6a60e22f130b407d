"""Showing: boards are compared by sums, and what one answer does not hold is asked for while that helps."""

import pytest

from mesh.errors import MalformedMessage
from mesh.events import Received
from mesh.gossip.showing import FEW, PARCEL_BYTES, Showing
from mesh.messages import Boards, Versions, VersionSums
from tests.gossip.circle import address, node
from tests.gossip.sides import Side, talk


def heard(showing: Showing, message: Boards | Versions | VersionSums) -> list[object]:
    received = Received(node("bob"), address("bob"), message)
    return [effect.message for effect in showing.handle(received)]


def test_of_many_boards_only_those_that_differ_are_named() -> None:
    one, two = Side("ada"), Side("bob")
    for number in range(2 * FEW):
        for side in (one, two):
            side.publish(2, owner=f"n{number}")
    one.publish(3, owner="n7")
    two.publish(4, owner="n9")
    said = [effect.message for _, effect in talk(one, two)]
    assert [type(message) for message in said if isinstance(message, VersionSums | Versions | Boards)] == [
        VersionSums,
        Versions,
        Versions,
        Boards,
        Boards,
    ]
    named = {board.owner for message in said if isinstance(message, Versions) for board in message.boards}
    assert {node("n7"), node("n9")} <= named
    assert len(named) < FEW
    assert one.boards.digest == two.boards.digest


def test_a_chain_of_deltas_larger_than_an_answer_is_cut_between_them() -> None:
    one, two = Side("ada"), Side("bob")
    two.publish(1, size=PARCEL_BYTES - 10)
    two.publish(1, size=PARCEL_BYTES - 10, owner="cyd")
    parcels = [effect.message for _, effect in talk(one, two) if isinstance(effect.message, Boards)]
    assert [(len(parcel.deltas), parcel.more) for parcel in parcels] == [(1, True), (1, False)]
    assert one.boards.digest == two.boards.digest


def test_more_is_not_asked_for_where_asking_did_not_help() -> None:
    showing = Showing(Side("ada").boards)
    assert [type(message) for message in heard(showing, Boards((), more=True))] == [Versions]
    assert heard(showing, Boards((), more=True)) == []


def test_sums_that_agree_are_not_answered() -> None:
    side = Side("ada")
    side.publish(1)
    showing = Showing(side.boards)
    assert heard(showing, VersionSums(side.boards.sums(16))) == []
    assert len(heard(showing, VersionSums(bytes(16 * 8)))) == 1
    with pytest.raises(MalformedMessage):
        heard(showing, VersionSums(bytes(3 * 8)))
