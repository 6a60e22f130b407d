"""An account is all that is needed to measure the same again.

Invariant: accounts go through JSON and files, as they do for users.
"""

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from mesh.errors import UsageError
from sim.experimenting import write_account
from sim.experiments.account import Account
from sim.experiments.kind import is_account
from sim.experiments.repeating import read_account, repeat
from sim.experiments.running import measure
from sim.experiments.shelf import Shelf
from sim.provenance import provenance
from tests.sim.experiments.own import EXPERIMENT

OWN = str(Path(__file__).with_name("own.py"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("own")
    shelf = Shelf(out, OWN, provenance())
    measured = [measure(EXPERIMENT, cell).measured for cell in EXPERIMENT.cells(quick=True, seeds=1)]
    write_account(out, OWN, EXPERIMENT, True, [shelf.put(one, 0.1) for one in measured if one is not None])
    return out


def account_in(folder: Path) -> Account:
    raw = (folder / "report.json").read_bytes()
    assert is_account(raw)
    return read_account(raw, "report.json")


def test_it_gives_the_same_files_byte_for_byte(folder: Path) -> None:
    found = repeat(account_in(folder), folder, 1, lambda ran: None)
    assert found.same
    assert {name: (folder / name).read_bytes() for name in found.files} == found.files


def test_an_experiment_that_was_edited_since_is_named(folder: Path) -> None:
    found = repeat(replace(account_in(folder), edition="0" * 16), folder, 1, lambda ran: None)
    assert found.same
    assert [line.partition(" then")[0] for line in found.otherwise] == [f"{OWN}: {'0' * 16}"]


def test_the_cell_and_the_file_that_differ_are_named(folder: Path) -> None:
    account = account_in(folder)
    first = account.data.cells[0]
    wrong = replace(first, outcome=replace(first.outcome, trace="0"))
    data = replace(account.data, cells=(wrong, *account.data.cells[1:]))
    digests = {**account.digests, "cells.parquet": "0"}
    found = repeat(replace(account, data=data, digests=digests), folder, 1, lambda ran: None)
    assert found.differing == ("cells.parquet", f"cell {first.cell.name}")


def test_what_is_no_account_is_told() -> None:
    assert not is_account(b"[]")
    assert not is_account(b'{"schema": 1, "scenario": "steady"}')
    with pytest.raises(UsageError, match="was expected"):
        read_account(b"{}", "x.json")
    with pytest.raises(UsageError, match="schema 99"):
        read_account(msgspec.json.encode({"schema": 99, "kind": "experiment"}), "x.json")
