"""Large pages are asked for while memory grows, and change nothing that is held."""

import gc
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.large_pages import PAGE_BYTES, ask_for_large_pages, held_bytes, large_pages, spans

ADDRESSES = st.integers(0, 2**47 // 4096).map(lambda page: page * 4096)


@given(st.tuples(ADDRESSES, ADDRESSES).map(sorted), st.sampled_from(["", "[heap]", "[stack]", "/usr/lib/libc.so.6"]))
def test_only_whole_large_pages_of_no_file_are_asked_for(span: list[int], name: str) -> None:
    begin, end = span
    found = spans(f"{begin:x}-{end:x} rw-p 00000000 00:00 0    {name}\n{begin:x}-{end:x} r--p 00000000 00:00 0\n")
    for first, last in found:
        assert begin <= first < last <= end
        assert first % PAGE_BYTES == last % PAGE_BYTES == 0
    within = max(0, end // PAGE_BYTES - -(-begin // PAGE_BYTES)) * PAGE_BYTES
    assert sum(last - first for first, last in found) == (within if name in ("", "[heap]") else 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux is asked for large pages")
def test_what_is_held_stays_as_it_is() -> None:
    held = bytearray(range(256)) * (16 * PAGE_BYTES // 256)
    assert held_bytes() >= len(held)
    assert 0 <= ask_for_large_pages() <= 2**47
    assert held == bytearray(range(256)) * (16 * PAGE_BYTES // 256)


def test_it_is_looked_at_while_a_mesh_runs_and_not_afterwards() -> None:
    before = list(gc.callbacks)

    def run() -> None:
        with large_pages():
            gc.collect(0)
            assert len(gc.callbacks) == len(before) + (sys.platform == "linux")
            raise KeyError

    with pytest.raises(KeyError):
        run()
    assert gc.callbacks == before
