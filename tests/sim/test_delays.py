"""Delays are those of the places where nodes stand.

Invariant: whatever is random is compared with a closed form, on a fixed seed.
"""

from collections import Counter
from pathlib import Path
from random import Random
from statistics import mean

import pytest

from mesh.errors import UsageError
from sim.delays import Geographic, OneWay, Regions, RttFile, apportion, compile_delays
from sim.geography import WORLD, distance_km
from sim.laws import Uniform

THREE = Regions(names=("a", "b", "c"), rtt_s=((0.002, 0.1, 0.2), (0.1, 0.002, 0.3), (0.2, 0.3, 0.002)), jitter=0.0)


def test_regions_have_the_delays_of_their_matrix() -> None:
    places = compile_delays(THREE, 9, Random(1))
    assert Counter(places.region(index) for index in range(9)) == {"a": 3, "b": 3, "c": 3}
    where = {places.region(index): index for index in range(9)}
    assert places.delay(where["a"], where["b"]) == places.delay(where["b"], where["a"]) == 0.05
    assert places.delay(where["c"], where["b"]) == 0.15
    assert places.delay(where["c"], where["c"]) == 0.001


def test_the_world_has_four_milliseconds_and_one_for_each_75_km() -> None:
    places = compile_delays(Geographic(jitter=0.0), 190, Random(1))
    sites = {site.name: site for site in WORLD}
    for one, other in ((0, 1), (5, 77), (100, 189)):
        here, there = sites[places.region(one)], sites[places.region(other)]
        rtt_ms = 1.0 if here is there else 4.0 + distance_km(here, there) / 75.0
        assert places.delay(one, other) == pytest.approx(rtt_ms / 2000)


def test_jitter_adds_up_to_its_share() -> None:
    places = compile_delays(Geographic(jitter=0.15), 190, Random(1))
    least = compile_delays(Geographic(jitter=0.0), 190, Random(1)).delay(3, 99)
    drawn = [places.delay(3, 99) for _ in range(10_000)]
    assert least <= min(drawn) <= max(drawn) <= least * 1.15
    assert mean(drawn) == pytest.approx(least * 1.075, rel=0.005)


def test_cities_get_the_nodes_that_their_weights_ask_for() -> None:
    counts = Counter(apportion(1_000, [site.weight for site in WORLD], Random(1)))
    whole = sum(site.weight for site in WORLD)
    assert sum(counts.values()) == 1_000
    assert all(abs(counts[place] - 1_000 * site.weight / whole) <= 1 for place, site in enumerate(WORLD))


def test_a_law_holds_for_each_message_or_each_link() -> None:
    law = Uniform(least_s=0.01, most_s=0.03)
    message = compile_delays(OneWay(law=law), 10, Random(1))
    assert mean(message.delay(0, 1) for _ in range(10_000)) == pytest.approx(0.02, rel=0.02)
    link = compile_delays(OneWay(law=law, each="link"), 10, Random(1))
    assert link.delay(0, 1) == link.delay(1, 0) == link.delay(0, 1) != link.delay(0, 2)


def test_a_file_of_round_trips_gives_every_node_a_host(tmp_path: Path) -> None:
    path = tmp_path / "king.txt"
    path.write_text("0 1 100000\n0 2 50000\n1 2 20000\n", "utf-8")
    places = compile_delays(RttFile(file=str(path), unit="us"), 6, Random(1))
    found = {(places.region(i), places.region(j)): places.delay(i, j) for i in range(6) for j in range(6)}
    assert found["host0", "host1"] == found["host1", "host0"] == pytest.approx(0.05)
    assert found["host2", "host1"] == pytest.approx(0.01)


def test_a_matrix_that_does_not_fit_its_regions_is_refused() -> None:
    with pytest.raises(UsageError, match="2 regions want 2 rows of 2 round trips"):
        compile_delays(Regions(names=("a", "b"), rtt_s=((0.0,), (0.1, 0.2))), 2, Random(1))
