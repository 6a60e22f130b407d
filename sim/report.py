"""What a run has shown: as one value, as JSON, and as a table for people.

Invariant: everything but `provenance`, `real_s` and what is computed from it depends on the scenario and the seed alone.
"""

import time
from collections.abc import Sequence

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from sim.checks import Fates
from sim.metrics import CrashSeen, Metrics
from sim.provenance import Provenance
from sim.scenario import Scenario
from sim.traffic import Traffic

SCHEMA = 1


class Stopwatch:
    """Measures real time: the only thing in the simulator that looks at a clock."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    def seconds(self) -> float:
        """Real seconds since it was made."""
        return time.perf_counter() - self._started


class Times(Struct, frozen=True):
    """A distribution of times in seconds."""

    count: int
    p50: float
    p99: float
    max: float


class Detection(Struct, frozen=True):
    """From a crash to the first and to the last survivor that holds the node down.

    `complete` crashes were told to every survivor; `partly` to some, before the node came back or the run ended; `unseen` to none.
    """

    crashes: int
    complete: int
    partly: int
    unseen: int
    first_s: Times | None
    last_s: Times | None


class Propagation(Struct, frozen=True):
    """From the acknowledgement of a write to where it shows: at any one other peer that was up, and at the last of them.

    `board_s`: from a board's change at its owner to any one other peer, for a few owners.
    """

    peer_s: Times | None
    last_peer_s: Times | None
    board_s: Times | None = None


class Writes(Struct, frozen=True):
    """What became of the workload's writes. Unanswered are those whose node died first."""

    submitted: int
    acknowledged: int
    refused: dict[str, int]
    unanswered: int
    unreplicated: int
    stranded: int


class KindOfMessage(Struct, frozen=True):
    """Messages of one kind: in all, and per node and virtual second."""

    messages: int
    bytes: int
    messages_per_node_s: float
    bytes_per_node_s: float


class Measures(Struct, frozen=True):
    """All figures of a run."""

    detection: Detection
    propagation: Propagation
    writes: Writes
    traffic: dict[str, KindOfMessage]
    undelivered: dict[str, int]
    false_accusations: int
    false_downs: int
    false_downs_at_healthy: int
    afflicted_downs: int
    events: dict[str, int]


class Report(Struct, frozen=True):
    """The outcome of one run. `failures` are the broken promises; `settled_s` is how long after its last write it converged.

    `by_hand`: somebody has stepped in, so that the scenario and the seed alone don't give this run.

    `setting` is the whole scenario that was run, `provenance` what it was run with. `schema` grows when a field changes its
    meaning.
    """

    schema: int
    scenario: str
    seed: int
    nodes: int
    sim_s: float
    real_s: float
    messages: int
    messages_per_s: float
    trace_hash: str
    trace_lines: int
    converged: bool
    settled_s: float | None
    failures: tuple[str, ...]
    metrics: Measures
    setting: Scenario
    provenance: Provenance
    by_hand: bool = False

    @property
    def passed(self) -> bool:
        """Whether every promise was kept."""
        return self.converged and not self.failures


def times_of(values: Sequence[float]) -> Times | None:
    """The distribution of some times; None where there are none."""
    if not values:
        return None
    ordered = sorted(values)
    p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99))
    return Times(len(ordered), round(p50, 6), round(p99, 6), round(ordered[-1], 6))


def measure(metrics: Metrics, traffic: Traffic, fates: Fates, nodes: int, sim_s: float) -> Measures:
    """The figures of a run of `sim_s` virtual seconds."""
    journal = metrics.journal
    acknowledged = [entry for entry, _ in journal.acknowledged()]
    refused = dict(sorted(journal.refused.items()))
    unanswered = len(journal.entries) - len(acknowledged) - sum(refused.values())
    writes = Writes(len(journal.entries), len(acknowledged), refused, unanswered, fates.unreplicated, fates.stranded)
    last = times_of([entry.last_s for entry in acknowledged if entry.last_s])
    per = nodes * sim_s
    kinds = {
        name: KindOfMessage(kind.messages, kind.bytes, round(kind.messages / per, 3), round(kind.bytes / per, 1))
        for name, kind in sorted(traffic.kinds.items())
    }
    return Measures(
        detection=_detection(metrics.crashes),
        propagation=Propagation(times_of(journal.delays_s), last, times_of(metrics.ages.all_s())),
        writes=writes,
        traffic=kinds,
        undelivered=dict(sorted(traffic.lost.items())),
        false_accusations=metrics.false_accusations,
        false_downs=metrics.false_downs,
        false_downs_at_healthy=metrics.false_downs_at_healthy,
        afflicted_downs=metrics.afflicted_downs,
        events=dict(sorted(metrics.events.items())),
    )


def _detection(crashes: Sequence[CrashSeen]) -> Detection:
    crashes = [crash for crash in crashes if crash.survivors]
    told = [crash for crash in crashes if crash.told_s]
    complete = [crash for crash in told if len(crash.told_s) == len(crash.survivors)]
    return Detection(
        crashes=len(crashes),
        complete=len(complete),
        partly=len(told) - len(complete),
        unseen=len(crashes) - len(told),
        first_s=times_of([min(crash.told_s.values()) for crash in told]),
        last_s=times_of([max(crash.told_s.values()) for crash in complete]),
    )


def as_json(report: Report) -> str:
    """The report as one JSON object in one line."""
    return msgspec.json.encode(report).decode()


def show(report: Report, console: Console) -> None:
    """Print a report for people."""
    console.print(_summary(report))
    console.print(_traffic(report))
    for failure in report.failures:
        console.print(f"FAILED: {failure}", style="bold red", markup=False, highlight=False)


def _summary(report: Report) -> Table:
    table = Table(title=f"{report.scenario}, seed {report.seed}", show_header=False)
    for name, value in _rows(report):
        table.add_row(name, value)
    return table


def _rows(report: Report) -> list[tuple[str, str]]:
    figures, found = report.metrics, report.metrics.detection
    writes = figures.writes
    settled = f"{report.settled_s:g} s after the last write" if report.settled_s is not None else ""
    return [
        ("nodes, virtual time", f"{report.nodes}, {report.sim_s:g} s"),
        ("real time", f"{report.real_s:.1f} s"),
        ("messages", f"{report.messages:,} ({report.messages_per_s:,.0f} per real second)"),
        ("converged", f"yes, {settled}" if report.converged else "NO"),
        ("trace", f"{report.trace_hash} ({report.trace_lines:,} lines)"),
        ("crashes", f"{found.crashes}: {found.complete} told to all, {found.partly} to some, {found.unseen} to nobody"),
        ("  first survivor knows", _say(found.first_s)),
        ("  last survivor knows", _say(found.last_s)),
        ("held down wrongly", f"{figures.false_accusations} verdicts, believed {figures.false_downs} times"),
        (
            "  by the healthy",
            f"{figures.false_downs_at_healthy} times; {figures.afflicted_downs} times of the afflicted",
        ),
        ("suspicions", f"{figures.events.get('member.suspect', 0)}"),
        ("writes", f"{writes.submitted}: {writes.acknowledged} acknowledged, {writes.unanswered} unanswered"),
        ("  refused", ", ".join(f"{count} {why}" for why, count in writes.refused.items()) or "none"),
        ("  unreplicated, stranded", f"{writes.unreplicated}, {writes.stranded}"),
        ("shown at one peer after", _say(figures.propagation.peer_s)),
        ("shown at the last after", _say(figures.propagation.last_peer_s)),
        ("board at one peer after", _say(figures.propagation.board_s)),
    ]


def _say(times: Times | None) -> str:
    if times is None:
        return "-"
    return f"p50 {_time(times.p50)}, p99 {_time(times.p99)}, max {_time(times.max)}"


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1.0 else f"{seconds * 1000:.1f} ms"


def _traffic(report: Report) -> Table:
    table = Table(title="per node and virtual second")
    table.add_column("message")
    for name in ("messages", "bytes", "messages in all"):
        table.add_column(name, justify="right")
    for kind, row in report.metrics.traffic.items():
        table.add_row(kind, f"{row.messages_per_node_s:.2f}", f"{row.bytes_per_node_s:,.0f}", f"{row.messages:,}")
    for reason, count in report.metrics.undelivered.items():
        table.add_row(f"not delivered: {reason}", "", "", f"{count:,}")
    return table
