"""Planes: a member that only one of them reaches is degraded until the other works again."""

from mesh.gossip.planes import DATAGRAMS, STREAMS, UNSTEADY, Planes
from tests.gossip.circle import accusation, node, roster


def test_a_plane_that_fails_is_told_once_and_its_return_too() -> None:
    known = roster("ada", "bob")
    planes = Planes(known)
    (told,) = planes.failed(node("bob"), DATAGRAMS)
    assert (told.name, told.about["plane"]) == ("member.degraded", DATAGRAMS)
    assert planes.failed(node("bob"), DATAGRAMS) == []
    assert planes.worked(node("bob"), STREAMS) == []
    assert planes.failing(node("bob")) == DATAGRAMS
    (told,) = planes.worked(node("bob"), DATAGRAMS)
    assert told.name == "member.whole"
    assert planes.failing(node("bob")) == ""


def test_whoever_does_not_take_part_is_not_degraded() -> None:
    known = roster("ada", "bob")
    planes = Planes(known)
    planes.failed(node("bob"), STREAMS)
    known.hear(accusation("bob"), 1.0)
    assert planes.failing(node("bob")) == ""
    assert planes.failed(node("bob"), STREAMS) == []
    assert planes.failed(node("somebody unknown"), STREAMS) == []
    planes.forget(node("bob"))


def test_an_unsteady_member_is_degraded_while_it_takes_part_and_a_failing_plane_is_said_first() -> None:
    known = roster("ada", "bob")
    planes = Planes(known)
    assert [told.name for told in planes.hold(node("bob"), True)] == ["member.unsteady"]
    assert planes.failing(node("bob")) == UNSTEADY
    planes.failed(node("bob"), STREAMS)
    assert planes.failing(node("bob")) == STREAMS
    known.hear(accusation("bob"), 1.0)
    assert planes.failing(node("bob")) == ""
    assert [told.name for told in planes.hold(node("bob"), False)] == ["member.steady"]
