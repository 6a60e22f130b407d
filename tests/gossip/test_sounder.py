"""The sounder measures links and finds near members by what near ones say."""

from mesh.gossip.roundtrips import RoundTrips
from mesh.gossip.sounder import ENOUGH_S, KEPT_S, KNOWN_MAX, Sounder
from mesh.gossip.table import Link, Table
from mesh.ids import NodeId
from mesh.messages import HINTS_MAX, Echo, Sound
from tests.gossip.circle import CONFIG, node, rng, roster

MANY = [f"n{number}" for number in range(40)]


def sounder(*others: str, table: Table | None = None, roundtrips: RoundTrips | None = None) -> Sounder:
    return Sounder(roster("ada", *others), table or Table(8), roundtrips or RoundTrips(CONFIG), rng(), 0.0)


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


def test_who_is_as_far_from_the_one_asked_is_named() -> None:
    """Two in Sydney are as far from Singapore, and hardly anybody else is."""
    measured = RoundTrips(CONFIG)
    for number, name in enumerate(MANY):
        measured.measured(node(name), 0.01 * (number + 1))
    core = sounder(*MANY, roundtrips=measured)
    named = core.answer(node("n9"), Sound(3, False, 100_000)).near
    assert 0 < len(named) <= HINTS_MAX
    assert set(named) <= {node(name) for name in ("n7", "n8", "n10")}
    assert core.answer(node("bob"), Sound(3, False)) == Echo(
        3, ()
    )  # Without a distance, links that are near here; there are none.


def test_what_the_prober_measured_is_known_and_asked_for_its_friends() -> None:
    measured = RoundTrips(CONFIG)
    core = sounder(*MANY, roundtrips=measured)
    measured.measured(node("n3"), 0.05)
    measured.measured(node("n4"), 0.004)
    core.heed_probes(1.0)
    assert core.nearest() == [node("n4"), node("n3")]
    asked, sound, _ = ask(core)
    assert (asked, sound.away_us) == (node("n4"), 4_000)
    core.heed_probes(2.0)
    core.check()


def test_nobody_is_looked_for_once_the_near_links_are_as_near_as_need_be() -> None:
    table = Table(8)
    core = sounder(*MANY, "bob", "cyd", "dan", table=table)
    for name in ("bob", "cyd", "dan"):
        table.add(node(name), Link(True, True, ENOUGH_S, 9))
    for _ in range(6):
        asked, sound, at = ask(core)
        assert sound.linked
        core.echo(asked, Echo(sound.stamp, (node("n30"), node("n31"))), at + 0.001)
    assert at > KEPT_S / 2
    table.remove(node("cyd"))
    assert ask(core)[1].linked is False


def test_a_link_is_asked_for_a_sign_of_life_by_one_side_alone() -> None:
    table = Table(8)
    table.add(node("bob"), Link(True, True, ENOUGH_S, 9))
    core = sounder(*MANY, "bob", table=table)
    core.shown(node("bob"), 100.0)
    assert 100.0 + KEPT_S / 2 < table.links[node("bob")].ask_at < 100.0 + 2 * KEPT_S
    core.shown(node("bob"), 140.0)
    assert table.links[node("bob")].ask_at > 140.0 + KEPT_S / 2
