"""The sounder measures links and finds near members by what near ones say."""

from mesh.gossip.sounder import KNOWN_MAX, Sounder
from mesh.gossip.table import Link, Table
from mesh.ids import NodeId
from mesh.messages import Echo, Sound
from tests.gossip.circle import node, rng, roster

MANY = [f"n{number}" for number in range(40)]


def sounder(*others: str, table: Table | None = None) -> Sounder:
    return Sounder(roster("ada", *others), table or Table(8), rng(), 0.0)


def ask(core: Sounder) -> tuple[NodeId, Sound, float]:
    at = core.deadline()
    ((asked, sound),) = core.tick(at)
    return asked, sound, at


def test_a_round_trip_is_measured_by_ones_own_clock() -> None:
    core = sounder("bob")
    asked, sound, at = ask(core)
    assert (asked, sound.linked) == (node("bob"), False)
    assert core.echo(asked, Echo(sound.stamp, ()), at + 0.25) == 0.25
    assert (core.rtt_s(asked), core.nearest()) == (0.25, [asked])


def test_an_answer_nobody_asked_for_measures_nothing() -> None:
    core = sounder("bob", "cyd")
    asked, sound, at = ask(core)
    stranger = next(name for name in (node("bob"), node("cyd")) if name != asked)
    assert core.echo(stranger, Echo(sound.stamp, ()), at + 0.1) is None
    assert core.echo(asked, Echo(sound.stamp, ()), at + 0.1) is None
    assert core.rtt_s(asked) is None


def test_the_friends_of_a_near_one_are_asked_next() -> None:
    core = sounder(*MANY)
    asked, sound, at = ask(core)
    friends = tuple(node(name) for name in MANY if node(name) != asked)[:3]
    core.echo(asked, Echo(sound.stamp, friends), at + 0.001)
    assert [ask(core)[0] for _ in range(3)] == list(friends)


def test_links_are_measured_by_turns_and_smoothed() -> None:
    table = Table(8)
    table.add(node("bob"), Link(True, True, None, 9))
    core = sounder(*MANY, "bob", table=table)
    measured: list[float | None] = []
    while len(measured) < 2:
        asked, sound, at = ask(core)
        if sound.linked:
            core.echo(asked, Echo(sound.stamp, ()), at + (0.5 if measured else 0.1))
            measured.append(core.rtt_s(node("bob")))
    assert measured == [0.1, 0.2]


def test_only_the_nearest_are_kept_and_questions_become_rare() -> None:
    core = sounder(*MANY)
    for number in range(60):
        asked, sound, at = ask(core)
        core.echo(asked, Echo(sound.stamp, ()), at + 1.0 + number)
    assert len(core.nearest()) == KNOWN_MAX
    assert core.deadline() - at > 5.0
