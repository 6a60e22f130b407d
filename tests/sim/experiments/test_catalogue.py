"""Every experiment can be found by its name, and its quick version runs.

Invariant: what runs here are real peers, one seed of each quick point.
"""

from pathlib import Path

import pytest

from mesh.errors import UsageError
from sim.experiments.catalogue import NAMES, edition, find_experiment
from sim.experiments.plots import draw
from sim.experiments.results import Results
from sim.experiments.running import measure

BARS = range(1, 9)


@pytest.mark.parametrize("name", NAMES)
def test_the_quick_version_measures_every_figure_that_it_names(name: str) -> None:
    experiment = find_experiment(name)
    ran = [measure(experiment, cell) for cell in experiment.cells(quick=True, seeds=1)]
    assert [one.broke for one in ran if one.broke] == []
    results = Results([one.measured for one in ran if one.measured is not None])
    figures = {figure for one in results.measured for figure in one.outcome.figures}
    assert figures <= set(experiment.units)
    assert experiment.find(results)
    assert any(draw(chart, results) for chart in experiment.charts)


def test_an_edited_experiment_of_ones_own_is_another_one(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text("a = 1\n", "utf-8")
    before = edition(str(own))
    own.write_text("a = 2\n", "utf-8")
    assert len(before) == 16
    assert before != edition(str(own))
    assert {edition(name) for name in NAMES} == {""}


def test_one_of_ones_own_is_found_by_its_path(tmp_path: Path) -> None:
    assert find_experiment(str(Path(__file__).with_name("own.py"))).name == "own"
    (tmp_path / "empty.py").write_text("", "utf-8")
    with pytest.raises(UsageError, match="no EXPERIMENT"):
        find_experiment(str(tmp_path / "empty.py"))
    (tmp_path / "wrong.py").write_text("first = 1\nsecond = third\n", "utf-8")
    with pytest.raises(UsageError, match=r"wrong.py, line 2: NameError: name 'third'"):
        find_experiment(str(tmp_path / "wrong.py"))
    with pytest.raises(UsageError, match="no such experiment"):
        find_experiment("nothing")
