"""After a power cut at any moment a ledger opens, has all that was promised, is what its log says, and goes on.

Invariant: the disk is a record of what a process asked for with the real replica, ledger and writer thread; only cuts are modelled.
"""

from pathlib import Path
from random import Random

import pytest

from tests.power.record import MARK, SYNC, TRUNCATE, WRITE, Entry, cuts
from tests.power.trial import build_recorder, compiler, first_opening, record_run, try_cuts

CUTS = 200
CUTS_OF_THE_FIRST_OPENING = 60
CUTS_THAT_HURT = 20

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(compiler() is None, reason="a C compiler `cc` on Linux was expected: the recorder is preloaded"),
]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_recorder(tmp_path_factory.mktemp("recorder"))


@pytest.fixture(scope="module")
def durable(library: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    return record_run(tmp_path_factory.mktemp("durable"), library, "durable")


def test_the_workload_syncs_grows_and_has_several_tickets_in_flight(durable: list[Entry]) -> None:
    kinds = [entry.kind for entry in durable]
    promises, syncs = kinds.count(MARK), kinds.count(SYNC)
    assert max(entry.offset for entry in durable) > 1 << 20
    assert promises > 2 * syncs > 40, "one commit carries several batches"


def test_nothing_promised_is_lost_and_every_file_is_the_fold_of_its_log(durable: list[Entry], tmp_path: Path) -> None:
    trial = try_cuts(tmp_path, durable, CUTS, Random(1))
    assert trial.cuts == CUTS
    assert not trial.faults, trial.examples


def test_a_cut_of_the_first_opening_needs_no_hands(durable: list[Entry], tmp_path: Path) -> None:
    trial = try_cuts(tmp_path, first_opening(durable), CUTS_OF_THE_FIRST_OPENING, Random(2))
    assert not trial.faults, trial.examples


def test_a_soft_file_may_lose_what_is_newest_and_still_opens_whole(library: Path, tmp_path: Path) -> None:
    entries = record_run(tmp_path, library, "soft")
    trial = try_cuts(tmp_path, entries, CUTS_THAT_HURT, Random(3), durable=False)
    assert set(trial.faults) == {"lost"}, trial.examples


def test_without_syncs_the_same_cuts_find_losses(library: Path, tmp_path: Path) -> None:
    trial = try_cuts(tmp_path, record_run(tmp_path, library, "careless"), CUTS_THAT_HURT, Random(4))
    assert trial.faults.total() > CUTS_THAT_HURT // 2


def test_a_disk_that_lies_is_noticed(library: Path, tmp_path: Path) -> None:
    trial = try_cuts(tmp_path, record_run(tmp_path, library, "durable", liar=True), CUTS_THAT_HURT, Random(5))
    assert trial.faults.total() > CUTS_THAT_HURT // 2


def test_a_cut_keeps_what_was_synced_and_any_part_of_the_rest() -> None:
    block = b"x" * 4096
    made = [
        Entry(WRITE, False, 0, 0, block * 2),
        Entry(SYNC, False, 0, 0, b""),
        Entry(MARK, False, 0, 0, b"promise"),
        Entry(WRITE, True, 0, 0, b"y"),
        Entry(WRITE, False, 8192, 0, block * 4),
        Entry(TRUNCATE, False, 0, 4096, b""),
    ]
    found = {(cut.at, len(cut.content)): cut for cut in cuts(made, 500, Random(0))}
    assert all(cut.content[1:8192] == (block * 2)[1:] for cut in found.values() if 2 <= cut.at < 5)
    assert all(cut.promises == (b"promise",) for cut in found.values() if cut.at >= 3)
    assert all(cut.content.startswith(b"y") for cut in found.values() if cut.at >= 4)
    assert {length for at, length in found if at == 4} > {8192, 8192 + 4096, 8192 + 4 * 4096}
