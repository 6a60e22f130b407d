"""The account of an experiment: what was measured, with what, and what it is held against, as files.

Invariant: `data.json`, `cells.parquet` and `samples.parquet` depend on the plan and the code alone, byte for byte; everything else
stands in `report.json` beside them.
"""

from collections.abc import Sequence
from hashlib import sha256
from io import BytesIO
from typing import Literal

import msgspec
import polars as pl
from msgspec import Struct

from sim.experiments.catalogue import edition
from sim.experiments.intervals import Interval
from sim.experiments.plan import Experiment, Point, Value
from sim.experiments.results import Finding, Measured, Results
from sim.provenance import Provenance
from sim.scenario import Scenario

SCHEMA = 1
_encode = msgspec.json.Encoder(order="deterministic").encode


class Row(Struct, frozen=True):
    """The figures of one point over its seeds: the mean of each with its interval."""

    point: Point
    seeds: tuple[int, ...]
    figures: dict[str, Interval]


class Setting(Struct, frozen=True):
    """The scenario of a point."""

    point: Point
    scenario: Scenario


class Data(Struct, frozen=True):
    """What depends on the plan and the code alone."""

    experiment: str
    quick: bool
    settings: tuple[Setting, ...]
    cells: tuple[Measured, ...]
    table: tuple[Row, ...]
    findings: tuple[Finding, ...]


class Account(Struct, frozen=True):
    """`digests` are the SHA-256 of the data files; `real_s` is what all cells together took, on one core each.

    `edition` is which text an experiment of one's own had.
    """

    schema: int
    kind: Literal["experiment"]
    experiment: str
    data: Data
    digests: dict[str, str]
    provenance: Provenance
    real_s: float
    edition: str = ""


def account_of(
    name: str, experiment: Experiment, quick: bool, measured: Sequence[Measured], made_in: tuple[Provenance, float]
) -> tuple[Account, dict[str, bytes]]:
    """The account of everything that was measured, and the data files by name. `name`: by what the experiment is found."""
    data = data_of(name, experiment, quick, measured)
    files = data_files(data)
    digests = {file: sha256(raw).hexdigest() for file, raw in files.items()}
    return Account(SCHEMA, "experiment", name, data, digests, *made_in, edition(name)), files


def data_of(name: str, experiment: Experiment, quick: bool, measured: Sequence[Measured]) -> Data:
    """The data of an experiment."""
    results = Results(measured)
    settings = tuple(Setting(point, experiment.scenario(point)) for point in results.points())
    return Data(name, quick, settings, results.measured, table_of(results), tuple(experiment.find(results)))


def table_of(results: Results) -> tuple[Row, ...]:
    """A row per point."""
    rows = []
    for point in results.points():
        cells = [one for one in results.measured if one.cell.point == point]
        names = dict.fromkeys(figure for one in cells for figure in one.outcome.figures)
        own = Results(cells)
        figures = {figure: mean for figure in names if (mean := own.mean(figure)) is not None}
        rows.append(Row(point, tuple(one.cell.seed for one in cells), figures))
    return tuple(rows)


def data_files(data: Data) -> dict[str, bytes]:
    """The data files by name."""
    return {
        "data.json": _encode(data),
        "cells.parquet": _parquet(cells_frame(data.cells)),
        "samples.parquet": _parquet(samples_frame(data.cells)),
    }


def cells_frame(cells: Sequence[Measured]) -> pl.DataFrame:
    """A row per cell: its parameters, its seed, its figures, the hash of its trace."""
    keys = dict.fromkeys(key for one in cells for key in one.cell.point)
    figures = dict.fromkeys(name for one in cells for name in one.outcome.figures)
    columns: dict[str, pl.Series] = {}
    for key in keys:
        values = [one.cell.point.get(key) for one in cells]
        columns[key] = pl.Series(key, values, dtype=_type_of(values), strict=False)
    columns["seed"] = pl.Series("seed", [one.cell.seed for one in cells], dtype=pl.Int64)
    for name in figures:
        found = [one.outcome.figures.get(name) for one in cells]
        columns[f"figure {name}" if name in columns else name] = pl.Series(name, found, dtype=pl.Float64)
    columns["trace"] = pl.Series("trace", [one.outcome.trace for one in cells], dtype=pl.String)
    return pl.DataFrame(columns)


def _type_of(values: Sequence[Value | None]) -> type[pl.DataType]:
    present = [value for value in values if value is not None]
    if any(isinstance(value, str) for value in present):
        return pl.String
    return pl.Float64 if any(isinstance(value, float) for value in present) else pl.Int64


def samples_frame(cells: Sequence[Measured]) -> pl.DataFrame:
    """A row per sample: the number of its cell in `cells`, its name, its value."""
    rows = [
        (number, name, value)
        for number, one in enumerate(cells)
        for name, values in one.outcome.samples.items()
        for value in values
    ]
    return pl.DataFrame(rows, schema={"cell": pl.Int64, "name": pl.String, "value": pl.Float64}, orient="row")


def _parquet(frame: pl.DataFrame) -> bytes:
    file = BytesIO()
    frame.write_parquet(file, compression="zstd", statistics=False)
    return file.getvalue()
