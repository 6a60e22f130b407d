"""What the demonstration found, as one JSON object.

Invariant: every figure was measured in this run; what was not asked for is null.
"""

from msgspec import Struct


class Crash(Struct, kw_only=True):
    """What became of one peer that was killed. `unreachable` counts its units as each other peer showed them then."""

    peer: str
    detected_s: dict[str, float] = {}
    unreachable: dict[str, int] = {}
    oldest_s: float = 0.0
    rejoined_s: float | None = None
    lost_acknowledged: int | None = None
    acknowledged_before: int = 0


class Quantiles(Struct, frozen=True):
    """Milliseconds."""

    p50: float
    p99: float
    count: int


class Result(Struct, kw_only=True):
    """The whole run."""

    peers: int
    urls: dict[str, str]
    setup_s: float
    irregularities: int = 0
    units: dict[str, int] = {}
    started: dict[str, int] = {}
    moving: dict[str, int] = {}
    crash: Crash | None = None
    converged: bool = False
    put_to_watch_ms: Quantiles | None = None


def quantiles(seconds: list[float]) -> Quantiles | None:
    """Median and 99th percentile of some durations, in milliseconds."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    last = len(ordered) - 1
    return Quantiles(round(ordered[last // 2] * 1e3, 2), round(ordered[round(last * 0.99)] * 1e3, 2), len(ordered))
