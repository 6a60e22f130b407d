"""Seeds are looked up for ever: rarely by a whole mesh, and whoever is found where no member listens is contacted."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.effects import Dial, LookUp
from mesh.gossip.roster import Roster
from mesh.gossip.seeds import CONTACTED_MAX, PAUSE_S_MAX, PAUSES_MAX, Seeds
from mesh.ids import Address
from mesh.messages import Standing
from tests.gossip.circle import CONFIG, NAMES, accusation, address, rng, roster, signed

SEED = Address("seeds.example", 7000)


def crowd(members: int) -> Roster:
    return roster("ada", *(f"n{number}" for number in range(members - 1)))


def moments(core: Seeds, until: float) -> list[float]:
    """When the seed is looked up."""
    found: list[float] = []
    while (now := core.deadline()) < until:
        assert core.tick(now) == [LookUp(SEED)]
        assert core.tick(now) == []
        found.append(now)
    return found


@pytest.mark.parametrize("members", [2, 7, 60])
def test_a_mesh_of_any_size_looks_its_seeds_up_once_a_minute_in_all(members: int) -> None:
    known, span_s = crowd(members), 100 * CONFIG.seeds_interval_s
    asked = [moments(Seeds((SEED,), known, CONFIG, rng(number), 0.0), span_s) for number in range(members)]
    later = [moment for row in asked for moment in row[1:]]
    assert [row[0] for row in asked] == [0.0] * members
    assert 60 <= len(later) <= 140  # Four deviations of a Poisson law of 100.
    quiet_s = max(late - early for early, late in pairwise(sorted(later)))
    assert quiet_s <= 10 * CONFIG.seeds_interval_s  # One pause in 22,000 is longer.


@given(st.integers(0, 2**32), st.integers(2, 200))
def test_no_member_forgets_its_seeds(seed: int, members: int) -> None:
    asked = moments(Seeds((SEED,), crowd(members), CONFIG, rng(seed), 0.0), 5 * PAUSES_MAX * PAUSE_S_MAX)
    longest_s = PAUSES_MAX * min(PAUSE_S_MAX, members * CONFIG.seeds_interval_s)
    assert all(late <= early + longest_s for early, late in pairwise(asked))


def test_who_is_alone_asks_as_often_as_it_redials_and_without_seeds_nobody_does() -> None:
    asked = moments(Seeds((SEED,), roster("ada"), CONFIG, rng(), 3.0), 100.0)
    assert asked[0] == 3.0
    assert max(late - early for early, late in pairwise(asked)) <= 1.25 * CONFIG.redial_interval_s
    assert Seeds((), roster("ada"), CONFIG, rng(), 0.0).deadline() == math.inf


def test_exactly_those_are_dialled_who_are_found_where_no_member_listens() -> None:
    known = roster("ada", *NAMES[1:])
    core = Seeds((SEED,), known, CONFIG, rng(), 0.0)
    everybody, new = [address(name) for name in NAMES], Address("other.example", 7000)
    assert core.found(everybody) == []
    assert core.found([*everybody, new, new]) == [Dial(new)]
    known.hear(accusation("bob"), 1.0)
    known.hear(signed("cyd", counter=1, standing=Standing.LEFT), 1.0)
    assert core.found(everybody) == [Dial(address("bob")), Dial(address("cyd"))]


def test_of_many_addresses_a_few_are_contacted_at_once_and_all_in_time() -> None:
    core = Seeds((SEED,), roster("ada"), CONFIG, rng(), 0.0)
    found = [Address("other.example", port) for port in range(3 * CONTACTED_MAX)]
    rounds = [core.found(found) for _ in range(40)]
    assert {len(dialled) for dialled in rounds} == {CONTACTED_MAX}
    assert {dial for dialled in rounds for dial in dialled} == {Dial(at) for at in found}
