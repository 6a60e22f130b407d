"""Plots of an experiment, as PNG and SVG.

Invariant: every point of a line or a bar is the mean over its seeds and carries its interval; a file depends on the data alone.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from sim.experiments.intervals import Interval
from sim.experiments.plan import Chart, Point, Value
from sim.experiments.results import Results

SIZE_INCHES = (7.2, 4.2)
COLOURS = ("#0b5cad", "#d1495b", "#2e8b57", "#e6a117", "#6a4c93", "#16808a", "#8c564b", "#555555")
DASHES = ("--", "-.", ":")
mpl.rcParams.update({"svg.hashsalt": "mesh", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False})


def draw(chart: Chart, results: Results) -> dict[str, bytes]:
    """One chart: its files by suffix; none where nothing of it was measured."""
    points = [point for point in results.points() if chart.only.items() <= point.items()]
    series = _series(chart, points)
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    axes = figure.add_subplot()
    drawn = False
    for number, (label, own) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        if chart.kind == "cdf":
            drawn |= _draw_steps(axes, results, chart, own, (label, colour))
        elif chart.kind == "line":
            drawn |= _draw_line(axes, results, chart, own, (label, colour))
        else:
            drawn |= _draw_bars(axes, results, chart, own, (label, colour, number, len(series)))
    if not drawn:
        return {}
    _dress(axes, chart, points, labelled=len(series) > 1)
    return {"png": _saved(figure, "png"), "svg": _saved(figure, "svg")}


def _series(chart: Chart, points: Sequence[Point]) -> dict[str, list[Point]]:
    series: dict[str, list[Point]] = {}
    for point in points:
        series.setdefault(str(point.get(chart.by, "")), []).append(point)
    return series


def _means(results: Results, chart: Chart, points: Sequence[Point]) -> list[tuple[Value, Interval]]:
    found = [(point.get(chart.x, ""), results.mean(chart.y, **point)) for point in points]
    return [(x, mean) for x, mean in found if mean is not None]


def _spans(means: Sequence[Interval], log: bool) -> list[list[float]]:
    """How far each interval reaches below and above its value; on a logarithmic axis not to zero."""
    below = [(mean.half or 0.0) for mean in means]
    if log:
        below = [min(half, mean.value * 0.9) for half, mean in zip(below, means, strict=True)]
    return [below, [(mean.half or 0.0) for mean in means]]


def _draw_line(axes: Any, results: Results, chart: Chart, points: Sequence[Point], look: tuple[str, str]) -> bool:
    found = _means(results, chart, points)
    xs, means = [x for x, _ in found], [mean for _, mean in found]
    values = [mean.value for mean in means]
    spans = _spans(means, chart.log_y)
    axes.errorbar(xs, values, yerr=spans, label=look[0], color=look[1], marker="o", markersize=4, capsize=3)
    return bool(found)


def _draw_bars(
    axes: Any, results: Results, chart: Chart, points: Sequence[Point], look: tuple[str, str, int, int]
) -> bool:
    label, colour, number, of = look
    found = _means(results, chart, points)
    places = [_ticks(chart, results).index(str(x)) + (number - (of - 1) / 2) * 0.8 / of for x, _ in found]
    means = [mean for _, mean in found]
    values = [mean.value for mean in means]
    spans = _spans(means, chart.log_y)
    axes.bar(places, values, width=0.76 / of, yerr=spans, label=label, color=colour, capsize=2, ecolor="#333333")
    ticks = _ticks(chart, results)
    axes.set_xticks(
        range(len(ticks)), ticks, rotation=30 if len(ticks) > 6 else 0, ha="right" if len(ticks) > 6 else "center"
    )
    return bool(found)


def _ticks(chart: Chart, results: Results) -> list[str]:
    points = [point for point in results.points() if chart.only.items() <= point.items()]
    return list(dict.fromkeys(str(point.get(chart.x, "")) for point in points))


def _draw_steps(axes: Any, results: Results, chart: Chart, points: Sequence[Point], look: tuple[str, str]) -> bool:
    values = sorted(value for point in points for group in results.groups(chart.y, **point) for value in group)
    if values:
        shares = [(number + 1) / len(values) for number in range(len(values))]
        axes.step([values[0], *values], [0.0, *shares], where="post", label=look[0], color=look[1])
    return bool(values)


def _dress(axes: Any, chart: Chart, points: Sequence[Point], labelled: bool) -> None:
    for number, (said, value) in enumerate(chart.said.items()):
        dashes = DASHES[number % len(DASHES)]
        line = axes.axvline if chart.kind == "cdf" else axes.axhline
        line(value, color="#777777", linestyle=dashes, linewidth=1, label=said)
    across = chart.y_label if chart.kind == "cdf" else chart.x_label
    axes.set(title=chart.title, xlabel=across, ylabel="share" if chart.kind == "cdf" else chart.y_label)
    if chart.log_x:
        axes.set_xscale("log")
    if chart.log_y:
        axes.set_yscale("log")
    elif chart.kind != "cdf":
        axes.set_ylim(bottom=0)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    if labelled or chart.said:
        axes.legend(frameon=False, fontsize=9)


def _saved(figure: Figure, kind: str) -> bytes:
    file = BytesIO()
    figure.savefig(file, format=kind, dpi=130, metadata={"Date": None} if kind == "svg" else {"Software": None})
    return file.getvalue()
