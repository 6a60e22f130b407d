"""What holds the loop is counted, however long it is."""

import gc
import time

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from mesh.runtime.meter import Durations, SliceMeter, quantiles


@given(st.lists(st.floats(0, 3), min_size=1))
def test_a_histogram_counts_everything_once_and_its_quantiles_are_upper_limits(durations_s: list[float]) -> None:
    found = Durations()
    for duration in durations_s:
        found.note(duration)
    bounds, counts = zip(*found.buckets(), strict=True)
    assert list(counts) == [sum(duration * 1e3 <= bound * 1e3 for duration in durations_s) for bound in bounds]
    assert found.count == len(durations_s)
    assert found.total_s == pytest.approx(sum(durations_s))
    shown = quantiles(found)
    assert shown.max == round(max(durations_s) * 1e3, 3)
    assert sum(duration * 1e3 <= shown.p50 + 0.001 for duration in durations_s) >= len(durations_s) / 2
    assert shown.p50 <= shown.p99 <= shown.max


def test_no_durations_are_no_time() -> None:
    assert quantiles(Durations()).max == quantiles(Durations()).p99 == 0


async def test_a_step_that_holds_the_loop_is_seen_and_waiting_is_not() -> None:
    meter = SliceMeter()
    with meter.measuring():
        for _ in range(3):
            await trio.sleep(0.02)  # Real time, in which the loop is free.
        begin = time.perf_counter()
        while time.perf_counter() < begin + 0.005:
            pass
        await trio.lowlevel.checkpoint()
        gc.collect()
    assert meter.steps.max_s >= 0.005
    assert meter.turns.max_s >= 0.005
    assert meter.steps.quantile_ms(0.5) < 5
    assert meter.pauses.count >= 1
    counted = meter.steps.count
    await trio.lowlevel.checkpoint()
    assert meter.steps.count == counted
