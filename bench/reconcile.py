"""What it costs to find and to send what a peer lacks, and how long the loop is held up by it."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import msgspec
from msgspec import Struct

from bench.ledger import Source, take_in, write_batches
from bench.measure import Measure, at_most
from bench.member import Told
from bench.two_peers import Member, Shelf, batches_of, bytes_of, reconcile
from mesh.runtime.identity import create_mesh, create_node

BATCHES = 100_000
WRITERS = 200
DIFFERENCES = (1, 100, 10_000)
SPARE_BYTES = 8 * 1024
FIELDS = 100_000
CHANGES = 64
RUNS = 3  # Each takes some ten seconds.


def measures() -> Iterator[Measure]:
    """The figures of reconcile."""
    yield from _difference_bytes()
    with tempfile.TemporaryDirectory() as folder:
        yield from _joiner(Path(folder))


def _difference_bytes() -> Iterator[Measure]:
    """All bytes both ways, rosters included, against the batches that differ. Both peers begin with the same ledger less these."""
    batches = list(batches_of(WRITERS, BATCHES))
    shelf, done, lacking = Shelf(WRITERS), 0, []
    for differing in sorted(DIFFERENCES, reverse=True):
        shelf.take_in(batches[done : BATCHES - differing])
        done = BATCHES - differing
        lacking.append((differing, shelf.copy()))
    shelf.take_in(batches[done:])
    for differing, replica in reversed(lacking):
        spoken = reconcile(Member("joiner", replica), Member("server", shelf.copy()))
        alone = sum(map(bytes_of, batches[BATCHES - differing :]))
        share = spoken.bytes / (1.3 * alone + SPARE_BYTES)
        about: dict[str, float | int | str] = {
            "batches": BATCHES,
            "bytes": spoken.bytes,
            "of_batches": alone,
            "messages": spoken.messages,
            "signatures": "cheap, of 71 bytes",
        }
        yield at_most(f"ledger.reconcile_{differing}", share, 1, "of 1.3 × its batches + 8 KiB", about)


class Joined(Struct, frozen=True):
    """One joiner's way to the whole ledger."""

    alone_s: float
    joiner: Told
    server: Told


def _joiner(place: Path) -> Iterator[Measure]:
    create_mesh(place / "mesh", "bench")
    identity = create_node(place / "server", "server", place / "mesh")
    source = Source(identity, write_batches(identity, -(-FIELDS // CHANGES), CHANGES))
    take_in(source, place / "server" / "data" / "ledger")
    runs = [_join(place, source, f"joiner{number}") for number in range(RUNS)]
    ratio = median(run.joiner.took_s / run.alone_s for run in runs)
    about: dict[str, float | int | str] = {"fields": FIELDS, "took_s": round(median(r.joiner.took_s for r in runs), 2)}
    yield at_most("ledger.joiner", ratio, 2, "× verify + apply + store alone", about)
    yield _slices("ledger.joiner_slices", [run.joiner for run in runs])
    yield _slices("ledger.server_slices", [run.server for run in runs])


def _slices(name: str, told: list[Told]) -> Measure:
    """The p99 of all steps of the loop that took a tenth of a millisecond or more: counting the short ones would flatter."""
    p99 = median(_p99(run.slices) for run in told)
    about: dict[str, float | int | str] = {
        "longest_ms": round(median(run.slices[0] for run in told) * 1e3, 2),
        "busy_p99_ms": round(median(_p99(run.busy) for run in told), 2),
        "busy_longest_ms": round(median(run.busy[0] for run in told) * 1e3, 2),
        "median_ms": round(median(run.slices[len(run.slices) // 2] for run in told) * 1e3, 2),
        "over_0.1_ms": round(median(len(run.slices) for run in told)),
        "steps": round(median(run.steps for run in told)),
    }
    return at_most(name, p99, 5, "ms, p99 of steps over 0.1 ms", about)


def _p99(slices: list[float]) -> float:
    return slices[len(slices) // 100] * 1e3


def _join(place: Path, source: Source, name: str) -> Joined:
    create_node(place / name, name, place / "mesh")
    alone_s = take_in(source, place / f"{name} alone")
    with _member(place / "server") as server, _member(place / name, _line(server)) as joiner:
        _line(joiner)
        told_joiner = _ask(joiner, len(source.batches))
        told_server = _ask(server, 0)
        _end(joiner)
        _end(server)
    return Joined(alone_s, told_joiner, told_server)


def _member(folder: Path, *seeds: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "bench.member", str(folder), *seeds]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _ask(process: "subprocess.Popen[str]", count: int) -> Told:
    assert process.stdin is not None
    process.stdin.write(f"{count}\n")
    process.stdin.flush()
    return msgspec.json.decode(_line(process), type=Told)


def _end(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.close()
