"""The experiment on the page about experiments is one, and runs.

Invariant: what runs is the page's own text.
"""

import re
from pathlib import Path

from sim.experiments.catalogue import find_experiment
from sim.experiments.results import Results
from sim.experiments.running import measure

PAGE = Path(__file__).resolve().parents[2] / "docs" / "experiments.md"


def test_the_experiment_on_the_page_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (tmp_path / "pings.py").write_text(blocks[-1], "utf-8")
    experiment = find_experiment(str(tmp_path / "pings.py"))
    ran = [measure(experiment, cell) for cell in experiment.cells(quick=True, seeds=1)]
    measured = [one.measured for one in ran if one.measured is not None]
    assert experiment.find(Results(measured))[0].reached is True
