"""Traces and figures as tables, for notebooks.

Invariant: a table holds what a trace or a journal holds, row by row and in its order; its columns and their types are fixed here.
Needs the extra `sim` (polars, whose frames are Arrow tables).
"""

from collections.abc import Iterable, Sequence

import polars as pl

from sim.journal import Journal
from sim.metrics import CrashSeen
from sim.names import name_of
from sim.traffic import Traffic

EVENTS = {
    "time_s": pl.Float64,
    "node": pl.String,
    "way": pl.String,
    "kind": pl.String,
    "peer": pl.String,
    "bytes": pl.Int64,
    "key": pl.String,
    "about": pl.String,
}
WRITES = {
    "request": pl.Int64,
    "node": pl.String,
    "submitted_s": pl.Float64,
    "acknowledged_s": pl.Float64,
    "last_s": pl.Float64,
}
DETECTIONS = {"node": pl.String, "crashed_s": pl.Float64, "observer": pl.String, "after_s": pl.Float64}
TRAFFIC = {"kind": pl.String, "messages": pl.Int64, "bytes": pl.Int64}
CDF = {"value": pl.Float64, "share": pl.Float64}

_Row = tuple[str, str, str | None, int | None, str | None, str | None]
"""way, kind, peer, bytes, key, about"""


def events_of(lines: Iterable[str]) -> pl.DataFrame:
    """A trace as a table: one row per event and effect.

    way: "sent" or "streamed" to `peer`, "received" from `peer`, "event" or "effect" without a message, "machine" for starts and
    crashes. kind: the type of message, event or effect. key: a hash of a message's bytes; equal keys, equal messages. about: what
    else the line says, as JSON where it is a value. The peer of a received message is the last that sent these bytes there.
    """
    senders: dict[tuple[str, str], str] = {}
    rows = [_row_of(line.rstrip("\n"), senders) for line in lines]
    return pl.DataFrame(rows, schema=EVENTS, orient="row")


def _row_of(line: str, senders: dict[tuple[str, str], str]) -> tuple[float, str, *_Row]:
    time, node, text = line.split(" ", 2)
    way, _, rest = text.partition(" ")
    match way:
        case "<":
            row = _came(node, rest, senders)
        case ">":
            row = _went(node, rest, senders)
        case _:
            row = ("machine", way.strip(","), None, None, None, rest)
    return (int(time) / 1e9, node, *row)


def _came(node: str, text: str, senders: dict[tuple[str, str], str]) -> _Row:
    words = text.split(" ")
    if len(words) == 3 and words[1].isdigit():
        kind, size, key = words
        return ("received", kind, senders.get((node, key)), int(size), key, None)
    return ("event", words[0], None, None, None, " ".join(words[1:]) or None)


def _went(node: str, text: str, senders: dict[tuple[str, str], str]) -> _Row:
    words = text.split(" ")
    if words[0][:1].isupper():  # Effects have capital letters, hosts have none.
        return ("effect", words[0], None, None, None, " ".join(words[1:]) or None)
    way = "streamed" if words[1] == "stream" else "sent"
    kind, size, key = words[-3:]
    senders[words[0], key] = node
    return (way, kind, words[0], int(size), key, None)


def writes_of(journal: Journal) -> pl.DataFrame:
    """One row per write, in virtual seconds. `last_s`: how long after its acknowledgement the last of the others showed it."""
    rows = [
        (number, name_of(entry.index), entry.submitted_at, entry.acknowledged_at, entry.last_s or None)
        for number, entry in enumerate(journal.entries)
    ]
    return pl.DataFrame(rows, schema=WRITES, orient="row")


def detections_of(crashes: Sequence[CrashSeen]) -> pl.DataFrame:
    """One row per crash and survivor, `after_s` seconds after the crash; null where it was never told."""
    rows = [(crash.name, crash.at, name, crash.told_s.get(name)) for crash in crashes for name in crash.survivors]
    return pl.DataFrame(rows, schema=DETECTIONS, orient="row")


def traffic_of(traffic: Traffic) -> pl.DataFrame:
    """One row per kind of message: all that were sent."""
    rows = [(name, kind.messages, kind.bytes) for name, kind in sorted(traffic.kinds.items())]
    return pl.DataFrame(rows, schema=TRAFFIC, orient="row")


def cdf(values: Iterable[float | None]) -> pl.DataFrame:
    """The empirical distribution of some values; nulls are left out: share(value) of them are at most `value`."""
    ordered = sorted(value for value in values if value is not None)
    rows = [(value, number / len(ordered)) for number, value in enumerate(ordered, 1)]
    return pl.DataFrame(rows, schema=CDF, orient="row")
