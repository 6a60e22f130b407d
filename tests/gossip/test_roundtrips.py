"""Round trips: RFC 6298's smoothing within bounds."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.gossip.roundtrips import KNOWN_MAX, RoundTrips
from tests.gossip.circle import CONFIG, node


@given(st.lists(st.floats(0.0, 5.0), max_size=30))
def test_a_time_out_lies_within_its_bounds(took: list[float]) -> None:
    known = RoundTrips(CONFIG)
    for seconds in took:
        known.measured(node("bob"), seconds)
        assert 0.0 <= (known.smoothed_s(node("bob")) or 0.0) <= max(took) + 1e-9
    assert CONFIG.probe_timeout_s / 5 <= known.timeout_s(node("bob")) <= CONFIG.probe_interval_s * 0.8


def test_the_first_measure_counts_whole_and_later_ones_an_eighth() -> None:
    known = RoundTrips(CONFIG)
    assert known.timeout_s(node("bob")) == CONFIG.probe_timeout_s
    known.measured(node("bob"), 0.1)
    assert known.smoothed_s(node("bob")) == 0.1
    assert known.timeout_s(node("bob")) == 0.1 + 4 * 0.05
    known.measured(node("bob"), 0.2)
    assert known.smoothed_s(node("bob")) == 0.1 + 0.1 / 8


def test_what_was_measured_longest_ago_is_forgotten() -> None:
    known = RoundTrips(CONFIG)
    for number in range(KNOWN_MAX + 5):
        known.measured(node(str(number)), 0.1)
    assert len(known.rows()) == KNOWN_MAX
    assert known.smoothed_s(node("4")) is None
