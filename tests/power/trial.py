"""A recorded run of the workload, cut at random moments, and what each cut left.

Invariant: a trial of the same mode, number of cuts and seed cuts the same record at the same moments.
"""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import msgspec

from mesh.storage.opening import DATA_NAME, MAKING_NAME
from tests.power.record import MARK, Cut, Entry, cuts, read_record
from tests.power.verdict import Answer, Question
from tests.power.workload import NUMBER_BYTES

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).with_name("recorder.c")


def compiler() -> str | None:
    """The C compiler of this machine, or None."""
    return shutil.which("cc") if sys.platform == "linux" else None


def build_recorder(folder: Path) -> Path:
    """Compile the recorder into `folder`. Raises CalledProcessError, with the compiler's words."""
    library = folder / "recorder.so"
    flags = ("-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror")
    command = (compiler() or "cc", *flags, "-o", str(library), str(SOURCE), "-ldl", "-lpthread")
    subprocess.run(command, check=True)
    return library


def record_run(folder: Path, library: Path, mode: str, *, liar: bool = False) -> list[Entry]:
    """Run the workload on a new file in `folder`, and return what it asked of the disk."""
    record = folder / "record"
    settings = {"LD_PRELOAD": str(library), "POWER_RECORD": str(record), "POWER_FILE": DATA_NAME}
    if liar:
        settings["POWER_LIAR"] = "1"
    command = (sys.executable, "-m", "tests.power.workload", str(folder / "worked"), mode)
    subprocess.run(command, cwd=ROOT, env={**os.environ, **settings}, check=True)
    return read_record(record)


def first_opening(entries: list[Entry]) -> list[Entry]:
    """What was asked of the disk before anything was promised: the file is made, and its tables in it."""
    promise = next(at for at, entry in enumerate(entries) if entry.kind == MARK)
    return entries[:promise]


class Trial:
    """What the cuts of one record left. `faults` counts them by kind; `examples` tells the first of each."""

    def __init__(self) -> None:
        self.cuts = 0
        self.faults: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def count(self, cut: Cut, answer: Answer) -> None:
        """Add one cut."""
        self.cuts += 1
        if answer.fault:
            self.faults[answer.fault] += 1
            self.examples.setdefault(answer.fault, f"cut after {cut.at} calls: {answer.said}")


def try_cuts(folder: Path, entries: list[Entry], count: int, rng: Random, *, durable: bool = True) -> Trial:
    """Cut the power `count` times, and open what is left as a node would."""
    trial = Trial()
    with _judge() as judge:
        for cut in cuts(entries, count, rng):
            directory = folder / "cut"
            place = directory if cut.in_place else directory / MAKING_NAME
            place.mkdir(parents=True)
            (place / DATA_NAME).write_bytes(cut.content)
            promised = {p[:-NUMBER_BYTES]: int.from_bytes(p[-NUMBER_BYTES:], "big") for p in cut.promises}
            trial.count(cut, judge.ask(Question(str(directory), list(promised.items()), durable)))
            shutil.rmtree(directory)
    return trial


class _Judge:
    """A process that opens one file after the other; another takes its place where one kills it."""

    def __init__(self) -> None:
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        command = (sys.executable, "-m", "tests.power.verdict")
        pipe, silence = subprocess.PIPE, subprocess.DEVNULL  # What LMDB says before it ends a process is no answer.
        return subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=silence)

    def ask(self, question: Question) -> Answer:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(question) + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if line:
            return msgspec.json.decode(line, type=Answer)
        status = self._process.wait()
        self._process = self._start()
        return Answer("unreadable", f"reading it ended the process with status {status}")

    def end(self) -> None:
        self._process.communicate()


@contextmanager
def _judge() -> Iterator[_Judge]:
    judge = _Judge()
    try:
        yield judge
    finally:
        judge.end()
