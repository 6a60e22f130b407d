"""Large pages for the memory of a large mesh, where Linux leaves them to those who ask (madvise(2), MADV_COLLAPSE).

Invariant: what is asked for here changes how long a run takes and nothing else; a machine that has no large pages goes on without.
"""

import ctypes
import gc
import mmap
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PAGE_BYTES = 2 << 20  # A large page of x86-64, and of arm64 with small pages of 4 KiB.
MADV_HUGEPAGE, MADV_COLLAPSE = 14, 25  # include/uapi/asm-generic/mman-common.h; the second since Linux 6.1.
HELD_BYTES_MIN = 64 << 20  # A small mesh is in the processor's tables as it is.
GROWTH = 1.5  # It is asked again when so much more is held: what that costs stays in proportion.
PROCESS = Path("/proc/self")


@contextmanager
def large_pages() -> Iterator[None]:
    """Ask for large pages now and then while what this process holds grows; looked at when garbage is collected.

    A thousand peers take 400 MB, ten thousand a gigabyte, and a message touches memory all over it: with pages of 4 KiB the
    processor looks many of these addresses up in tables first.
    """
    held = HELD_BYTES_MIN / GROWTH

    def look(phase: str, about: Mapping[str, int]) -> None:
        nonlocal held
        if phase == "stop" and (now := held_bytes()) >= held * GROWTH:
            ask_for_large_pages()
            held = now

    if sys.platform == "linux":
        gc.callbacks.append(look)
    try:
        yield
    finally:
        if look in gc.callbacks:
            gc.callbacks.remove(look)


def held_bytes() -> int:
    """How much memory this process holds at present, on Linux."""
    pages = int((PROCESS / "statm").read_text(encoding="ascii").split()[1])
    return pages * mmap.PAGESIZE


def ask_for_large_pages() -> int:
    """Put what this process holds into large pages, on Linux. Returns for how many bytes that was done."""
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    done = 0
    for begin, end in spans((PROCESS / "maps").read_text(encoding="utf-8", errors="replace")):
        size = end - begin
        if madvise(begin, size, MADV_HUGEPAGE) == 0 and madvise(begin, size, MADV_COLLAPSE) == 0:
            done += size
    return done


def spans(maps: str) -> list[tuple[int, int]]:
    """Where memory of no file begins and ends, in whole large pages, from the text of /proc/self/maps (proc(5))."""
    found = []
    for line in maps.splitlines():
        span, rights, _, _, _, *name = line.split(maxsplit=5)
        if rights.startswith("rw") and name in ([], ["[heap]"]):
            begin, end = (int(side, 16) for side in span.split("-"))
            begin, end = -(-begin // PAGE_BYTES) * PAGE_BYTES, end // PAGE_BYTES * PAGE_BYTES
            if begin < end:
                found.append((begin, end))
    return found
