"""Where sites lie and how long light and routers need between them.

Invariant: a round trip is the same both ways; inside one site it is `inside_rtt_s`, between two `base_rtt_s` plus what the
great circle takes.

The formula, 4 ms + km / 75 for a round trip in milliseconds, is the one that Fly.io's simulation of Corrosion uses and says to lie
within about 15 % of measured values; the list of sites and their weights is our own.
"""

from math import asin, cos, radians, sin, sqrt

from msgspec import Struct

from sim.quantities import Positive

EARTH_RADIUS_KM = 6_371.0


class Site(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A place with its coordinates in degrees; `weight` is its share of the nodes against the other sites' weights."""

    name: str
    latitude: float
    longitude: float
    weight: Positive = 1.0


def _site(name: str, latitude: float, longitude: float, weight: float) -> Site:
    return Site(name=name, latitude=latitude, longitude=longitude, weight=weight)


WORLD = (
    _site("ashburn", 39.04, -77.49, 12),
    _site("frankfurt", 50.11, 8.68, 10),
    _site("chicago", 41.88, -87.63, 7),
    _site("los-angeles", 34.05, -118.24, 7),
    _site("london", 51.51, -0.13, 7),
    _site("amsterdam", 52.37, 4.90, 6),
    _site("singapore", 1.35, 103.82, 6),
    _site("san-jose", 37.34, -121.89, 6),
    _site("tokyo", 35.68, 139.69, 5),
    _site("sydney", -33.87, 151.21, 5),
    _site("paris", 48.86, 2.35, 5),
    _site("dallas", 32.78, -96.80, 5),
    _site("sao-paulo", -23.55, -46.63, 4),
    _site("mumbai", 19.08, 72.88, 4),
    _site("toronto", 43.65, -79.38, 3),
    _site("stockholm", 59.33, 18.07, 3),
    _site("hong-kong", 22.32, 114.17, 2),
    _site("johannesburg", -26.20, 28.05, 2),
    _site("santiago", -33.45, -70.67, 1),
)
"""Nineteen cities with large data centres, weighted by how many hosts a world-wide service keeps there."""


def distance_km(one: Site, other: Site) -> float:
    """The great circle between two sites (haversine)."""
    here, there = radians(one.latitude), radians(other.latitude)
    height = sin((there - here) / 2) ** 2
    width = sin(radians(other.longitude - one.longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * asin(sqrt(min(1.0, height + cos(here) * cos(there) * width)))
