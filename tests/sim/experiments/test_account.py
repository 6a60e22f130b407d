"""The data files of an experiment are the same bytes for the same plan, and everything in them can be read again.

Invariant: what was measured is real; the account is made of it twice.
"""

import io

import msgspec
import polars as pl
import pytest

from sim.experiments.account import Account, Data, account_of, cells_frame
from sim.experiments.page import page
from sim.experiments.plan import Cell, Outcome
from sim.experiments.plots import draw
from sim.experiments.results import Measured, Results
from sim.experiments.running import measure
from sim.provenance import provenance
from tests.sim.experiments.own import EXPERIMENT

Plots = dict[str, dict[str, bytes]]


@pytest.fixture(scope="module")
def measured() -> list[Measured]:
    found = [measure(EXPERIMENT, cell).measured for cell in EXPERIMENT.cells(quick=False, seeds=2)]
    return [one for one in found if one is not None]


@pytest.fixture(scope="module")
def drawn(measured: list[Measured]) -> Plots:
    return {chart.name: draw(chart, Results(measured)) for chart in EXPERIMENT.charts}


def made(measured: list[Measured]) -> tuple[Account, dict[str, bytes]]:
    return account_of("own", EXPERIMENT, False, measured, (provenance(), 1.0))


def test_the_same_plan_gives_the_same_files(measured: list[Measured]) -> None:
    cells = [one.cell for one in measured]
    again = [found for cell in cells if (found := measure(EXPERIMENT, cell).measured) is not None]
    assert made(measured) == made(again)


def test_the_files_hold_every_cell_figure_and_sample(measured: list[Measured]) -> None:
    account, files = made(measured)
    assert msgspec.json.decode(files["data.json"], type=Data) == account.data
    cells = pl.read_parquet(io.BytesIO(files["cells.parquet"]))
    assert cells.columns == ["nodes", "profile", "seed", "pings", "trace"]
    assert cells["pings"].to_list() == [one.outcome.figures["pings"] for one in measured]
    samples = pl.read_parquet(io.BytesIO(files["samples.parquet"]))
    assert samples["value"].to_list() == [value for one in measured for value in one.outcome.samples["delay_s"]]
    assert [row.seeds for row in account.data.table] == [(1, 2)] * 4
    assert account.data.settings[0].scenario.nodes == 2


def test_cells_without_a_parameter_or_a_figure_have_an_empty_place() -> None:
    found = cells_frame(
        [
            Measured(Cell({"part": "a", "loss": 0.5}, 1), Outcome({"seed": 1.0})),
            Measured(Cell({"part": "b"}, 1), Outcome({"s": 2.0})),
        ]
    )
    assert found["loss"].to_list() == [0.5, None]
    assert found["figure seed"].to_list() == [1.0, None]


def test_every_chart_with_something_in_it_is_drawn_in_both_formats(drawn: Plots, measured: list[Measured]) -> None:
    assert drawn["nothing"] == {}
    for name in ("pings", "bars", "delays"):
        assert drawn[name]["png"].startswith(b"\x89PNG")
        assert b"<svg" in drawn[name]["svg"]
    assert drawn["pings"] == draw(EXPERIMENT.charts[0], Results(measured))


def test_the_page_tells_all_and_needs_nothing_beside_it(measured: list[Measured], drawn: Plots) -> None:
    account, _ = made(measured)
    text = page(account, EXPERIMENT, drawn)
    assert "How many pings &lt;there&gt; are" in text
    assert "nobody &amp; nothing" in text
    for told in (account.provenance.commit, "1 to 2", "missed", "mesh-sim reproduce", account.digests["data.json"]):
        assert told in text
    assert "src=" in text
    assert all(place.startswith("data:") for place in _references(text))


def _references(text: str) -> list[str]:
    return [part.split('"')[1] for part in text.replace("href=", "src=").split("src=")[1:]]
