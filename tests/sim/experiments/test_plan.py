"""Cells have names of their own, and an experiment's plan is the same each time.

Invariant: names are compared as files are: by their bytes.
"""

from pathlib import PurePath

from hypothesis import given
from hypothesis import strategies as st

from sim.experiments.catalogue import NAMES, find_experiment
from sim.experiments.plan import Cell
from tests.sim.experiments.own import EXPERIMENT

values = st.one_of(st.text(max_size=40), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False))
cells = st.builds(Cell, st.dictionaries(st.text(max_size=8), values, max_size=4), st.integers(1, 1000))


@given(cells, cells)
def test_two_cells_never_share_a_file_name(one: Cell, other: Cell) -> None:
    assert (one.name == other.name) == (repr(one) == repr(other))
    assert PurePath(one.name).name == one.name
    assert len(one.name.encode()) < 250
    assert one.name.isprintable()


def test_a_quick_plan_has_at_most_two_seeds_and_the_whole_one_what_was_asked_for() -> None:
    assert [cell.seed for cell in EXPERIMENT.cells(quick=True)] == [1, 2] * 4
    assert [cell.seed for cell in EXPERIMENT.cells(quick=False)] == [1, 2, 3, 4, 5] * 4
    assert [cell.seed for cell in EXPERIMENT.cells(quick=False, seeds=1)] == [1] * 4


def test_every_whole_plan_has_five_seeds_at_least_and_no_cell_twice() -> None:
    for name in NAMES:
        found = [cell.name for cell in find_experiment(name).cells(quick=False)]
        assert len(set(found)) == len(found), name
        assert find_experiment(name).seeds >= 5, name
