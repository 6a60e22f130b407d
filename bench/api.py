"""How fast a client is served, over real sockets."""

from collections.abc import Iterator

from bench.measure import Measure


def measures() -> Iterator[Measure]:
    """The figures of the API."""
    yield from ()
