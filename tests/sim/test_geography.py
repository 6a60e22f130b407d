"""Cities are as far apart as on a globe."""

import pytest

from sim.geography import WORLD, Site, distance_km


def site(name: str) -> Site:
    return next(found for found in WORLD if found.name == name)


@pytest.mark.parametrize(
    ("one", "other", "km"),
    [
        ("london", "paris", 344),
        ("frankfurt", "singapore", 10_280),
        ("sydney", "santiago", 11_340),
        ("tokyo", "tokyo", 0),
    ],
)
def test_distances_are_those_of_an_atlas(one: str, other: str, km: float) -> None:
    assert abs(distance_km(site(one), site(other)) - km) <= 0.01 * km
    assert distance_km(site(one), site(other)) == pytest.approx(distance_km(site(other), site(one)))


def test_there_are_nineteen_cities_with_names_of_their_own() -> None:
    assert len({found.name for found in WORLD}) == len(WORLD) == 19
