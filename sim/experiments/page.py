"""The account of an experiment as one HTML page that needs nothing beside it.

Invariant: every text is escaped, and the page refers to nothing outside itself.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape

from sim.experiments.account import Account, Row
from sim.experiments.plan import Chart, Experiment, Point
from sim.experiments.results import Finding, say
from sim.writing import as_toml

STYLE = """
:root { color-scheme: light; --line: #d8dde3; --soft: #5b6672; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1b232b; max-width: 68rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p.about { font-size: 1.05rem; margin-top: 0; } .soft { color: var(--soft); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; padding: .3rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; } td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.reached { color: #1d7a3e; font-weight: 600; } .missed { color: #b3261e; font-weight: 600; }
figure { margin: 1.2rem 0; } figure img { max-width: 100%; height: auto; }
pre { background: #f5f7f9; padding: .8rem; overflow-x: auto; font-size: .82rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dt { color: var(--soft); } dd { margin: 0; }
"""


def page(account: Account, experiment: Experiment, plots: Mapping[str, Mapping[str, bytes]]) -> str:
    """The whole page. `plots`: the files of each chart by suffix."""
    title = escape(f"Experiment {experiment.name}")
    quick = "<p><strong>A quick run: it shows that all of it works, and is too small to measure anything.</strong></p>"
    drawn = [(chart, plots.get(chart.name, {})) for chart in experiment.charts]
    parts = [
        f"<h1>{title}</h1>",
        f'<p class="about">{escape(experiment.about)}</p>',
        f'<p class="soft">After: {escape(experiment.source)}</p>',
        f'<p class="soft">Bar: {escape(experiment.bar)}</p>' if experiment.bar else "",
        quick if account.data.quick else "",
        "<h2>What others say, and what was measured</h2>",
        _findings(account.data.findings),
        *[f"<p>{escape(remark)}</p>" for remark in experiment.remarks],
        "<h2>Plots</h2>",
        *[_figure(chart, files["svg"]) for chart, files in drawn if files],
        "<h2>All figures</h2>",
        "<p class='soft'>The mean over the seeds ± half of its 95 % interval (Student).</p>",
        _table(account.data.table, experiment.units),
        _legend(experiment.units),
        "<h2>How to get it again</h2>",
        _origin(account),
        "<h2>Scenarios</h2>",
        *[_setting(one.point, as_toml(one.scenario)) for one in account.data.settings],
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head><body>\n{body}\n</body></html>\n'


def _findings(findings: Sequence[Finding]) -> str:
    rows = []
    for finding in findings:
        verdict = {True: '<span class="reached">reached</span>', False: '<span class="missed">missed</span>', None: ""}
        said = f'{escape(finding.said)}<br><span class="soft">{escape(finding.by)}</span>'
        rows.append(
            f"<tr><td>{escape(finding.what)}</td><td>{said}</td><td>{escape(finding.measured)}</td>"
            f"<td>{verdict[finding.reached]}</td></tr>"
        )
    head = "<tr><th>figure</th><th>said</th><th>measured, 95 % interval</th><th></th></tr>"
    return f'<div class="wide"><table>{head}{"".join(rows)}</table></div>'


def _figure(chart: Chart, svg: bytes) -> str:
    source = b64encode(svg).decode()
    return f'<figure><img alt="{escape(chart.title)}" src="data:image/svg+xml;base64,{source}"></figure>'


def _table(rows: Sequence[Row], units: Mapping[str, str]) -> str:
    keys = dict.fromkeys(key for row in rows for key in row.point)
    figures = [name for name in units if any(name in row.figures for row in rows)]
    figures += [name for row in rows for name in row.figures if name not in figures]
    figures = list(dict.fromkeys(figures))
    head = "".join(f"<th>{escape(name)}</th>" for name in (*keys, "seeds", *figures))
    body = []
    for row in rows:
        cells = [f"<td>{escape(str(row.point.get(key, '')))}</td>" for key in keys]
        cells.append(f'<td class="n">{len(row.seeds)}</td>')
        cells += [
            f'<td class="n">{escape(say(row.figures[name])) if name in row.figures else ""}</td>' for name in figures
        ]
        body.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(body)}</table></div>'


def _legend(units: Mapping[str, str]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(said)}</dd>' for name, said in units.items())}</dl>"


def _origin(account: Account) -> str:
    made = account.provenance
    seeds = sorted({one.cell.seed for one in account.data.cells})
    versions = ", ".join(f"{name} {version}" for name, version in made.libraries.items())
    facts = {
        "commit": made.commit + (" with changed files" if made.changed else ""),
        "code": made.code,
        "versions": f"Python {made.python}, {versions}",
        "seeds": f"{seeds[0]} to {seeds[-1]}" if seeds else "none",
        "cells": f"{len(account.data.cells)}, {account.real_s:,.0f} s on one core each",
        **{f"SHA-256 of {file}": digest for file, digest in account.digests.items()},
    }
    said = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return f"<dl>{said}</dl><pre>mesh-sim reproduce report.json</pre>"


def _setting(point: Point, toml: str) -> str:
    name = " ".join(f"{key}={value}" for key, value in point.items())
    return f"<details><summary>{escape(name)}</summary><pre>{escape(toml)}</pre></details>"
