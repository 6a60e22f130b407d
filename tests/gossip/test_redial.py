"""Redial: nobody who ever was here is given up."""

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mesh.effects import Dial, Emit, LookUp
from mesh.events import Connected, DialFailed, Found, Tick
from mesh.gossip.redial import ALONE_INTERVAL_S, ALONE_S, FIRST_ROUND_MAX, Known, Redial
from mesh.gossip.roster import Roster
from mesh.ids import Address
from mesh.messages import Standing
from tests.gossip.circle import CONFIG, NAMES, accusation, address, node, rng, roster, signed

DOWN = NAMES[1:]


def lonely(*down: str) -> Roster:
    known = roster("ada", *down)
    for name in down:
        known.hear(accusation(name), 0.0)
    return known


def dialled(core: Redial, ticks: int) -> list[tuple[float, Address]]:
    """What is dialled at so many deadlines; nobody ever answers."""
    found = []
    for _ in range(ticks):
        now = core.deadline()
        for effect in core.handle(Tick(), now):
            assert isinstance(effect, Dial)
            found.append((now, effect.at))
            core.handle(DialFailed(effect.at, "no answer"), now + 0.1)
    return found


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(0, 3))
def test_every_absent_entry_is_dialled_again_and_again_in_bounded_time(seed: int, down: int, seeds: int) -> None:
    core = Redial(lonely(*DOWN[:down]), CONFIG, rng(seed), 0.0)
    wanted = [address(name) for name in DOWN[:down]]
    for number in range(seeds):
        wanted.append(Address("seed.example", number))
        core.handle(Known(wanted[-1]), 0.0)
    found = dialled(core, 5 * len(wanted))
    for at in wanted:
        moments = [moment for moment, to in found if to == at]
        gaps = [late - early for early, late in pairwise(moments)]
        assert len(moments) >= 4
        assert max(gaps) <= 1.25 * CONFIG.redial_interval_s * (len(wanted) + 1)


def test_one_entry_is_dialled_at_least_every_twenty_seconds() -> None:
    core = Redial(lonely("bob"), CONFIG, rng(), 0.0)
    moments = [moment for moment, _ in dialled(core, 50)]
    assert max(late - early for early, late in pairwise(moments)) <= 20
    assert math.isfinite(core.deadline())


def test_a_dead_seed_costs_no_time_at_the_start() -> None:
    core = Redial(roster("ada"), CONFIG, rng(), 0.0)
    for number in range(FIRST_ROUND_MAX + 2):
        core.handle(Known(Address("seed.example", number)), 0.0)
    assert len(core.handle(Tick(), 0.0)) == FIRST_ROUND_MAX
    assert core.deadline() <= 1.25 * ALONE_INTERVAL_S
    assert len(core.handle(Tick(), ALONE_S)) == 1


def test_who_takes_part_is_not_dialled_and_who_leaves_is() -> None:
    known = roster("ada", "bob")
    core = Redial(known, CONFIG, rng(), 0.0)
    core.handle(Known(address("bob")), 0.0)
    core.handle(Known(address("ada")), 0.0)
    assert core.absent() == []
    known.hear(accusation("bob", standing=Standing.SUSPECT), 1.0)
    assert core.absent() == []
    known.hear(accusation("bob"), 2.0)
    assert core.absent() == [address("bob")]
    known.hear(signed("bob", counter=1), 3.0)
    known.hear(signed("bob", counter=2, standing=Standing.LEFT), 4.0)
    assert core.absent() == [address("bob")]


def test_nothing_is_dialled_before_its_time() -> None:
    core = Redial(lonely("bob"), CONFIG, rng(), 0.0)
    assert core.handle(Tick(), 0.0) == [Dial(address("bob"))]
    assert core.handle(Tick(), core.deadline() - 0.01) == []
    assert core.handle(Connected(node("bob"), address("bob"), True), 1.0) == []
    assert core.handle(Connected(node("bob"), Address("bob.example", 41_234), False), 1.0) == []


def test_who_is_turned_away_tells_it_once_for_each_reason() -> None:
    core = Redial(lonely("bob"), CONFIG, rng(), 0.0)
    at = address("bob")
    said = [core.handle(DialFailed(at, why, turned_away=True), 1.0) for why in ("ended", "ended", "not of this mesh")]
    assert said == [
        [Emit("peer.refused", {"at": str(at), "reason": "ended"})],
        [],
        [Emit("peer.refused", {"at": str(at), "reason": "not of this mesh"})],
    ]
    assert core.handle(DialFailed(at, "no answer"), 1.0) == []


def test_seeds_are_redialled_and_looked_up_and_where_one_meets_oneself_is_not_dialled_again() -> None:
    seed, mine, other = (Address(f"{name}.example", 9) for name in ("seed", "mine", "other"))
    core = Redial(roster("ada"), CONFIG, rng(), 0.0, (seed,))
    assert core.handle(Tick(), 0.0) == [LookUp(seed), Dial(seed)]
    assert core.handle(Found(seed, (mine, other)), 0.1) == [Dial(mine), Dial(other)]
    core.handle(Connected(node("ada"), mine, True), 0.2)
    assert core.handle(Found(seed, (mine, other)), 0.3) == [Dial(other)]


@given(st.integers(0, 2**32))
def test_who_misses_nobody_rests_until_somebody_goes(seed: int) -> None:
    known = roster("ada", "bob", "cyd")
    core = Redial(known, CONFIG, rng(seed), 0.0)
    assert core.handle(Tick(), core.deadline()) == []
    assert core.deadline() == math.inf
    known.hear(accusation("bob"), 100.0)
    assert core.deadline() <= 100.0
    assert core.handle(Tick(), 100.0) == []  # Who all hear of it now do not all dial now.
    assert 100.0 <= core.deadline() <= 100.0 + CONFIG.redial_interval_s
    assert core.handle(Tick(), core.deadline()) == [Dial(address("bob"))]
    assert math.isfinite(core.deadline())


def test_where_a_dial_fails_whoever_was_met_there_is_met_there_no_more() -> None:
    known, seed = roster("ada", "bob"), Address("seed.example", 9)
    core = Redial(known, CONFIG, rng(), 0.0, (seed,))
    core.handle(Connected(node("bob"), seed, True), 1.0)
    assert core.absent() == []
    core.handle(DialFailed(seed, "no answer"), 2.0)
    assert core.absent() == [seed]


def test_a_seed_that_is_this_node_itself_is_not_absent() -> None:
    seed = Address("seed.example", 9)
    core = Redial(roster("ada"), CONFIG, rng(), 0.0, (seed,))
    core.handle(Connected(node("ada"), seed, True), 1.0)
    assert core.absent() == []
