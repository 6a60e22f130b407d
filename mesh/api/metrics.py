"""Numbers for Prometheus, in a registry of its own.

Invariant: what the node knows is asked for when it is scraped; only requests and watchers are counted as they happen.
"""

from collections import Counter as Tally
from collections.abc import Iterator
from math import isinf

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from mesh.crdt.token import decode_token
from mesh.runtime.meter import Durations
from mesh.runtime.node import Node

CONTENT_TYPE = CONTENT_TYPE_LATEST
STANDINGS = ("alive", "suspect", "down", "left", "ended")


class Metrics:
    """The counters of one API."""

    def __init__(self, node: Node) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_NodeCollector(node))
        self._requests = Counter(
            "mesh_api_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._kept: dict[tuple[str, str, str], Counter] = {}  # Half a microsecond each instead of three.
        self.watchers = Gauge("mesh_api_watchers", "Open watches.", registry=self._registry)
        self.websockets = Gauge("mesh_api_websockets", "Open websockets.", registry=self._registry)

    def count(self, method: str, route: str, status: str) -> None:
        """One request was answered. All three are words from a bounded set, never what a client made up."""
        about = (method, route, status)
        if (kept := self._kept.get(about)) is None:
            kept = self._kept[about] = self._requests.labels(*about)
        kept.inc()

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self._registry)


def _histogram(name: str, about: str, durations: Durations) -> HistogramMetricFamily:
    buckets = [("+Inf" if isinf(bound) else str(bound), float(count)) for bound, count in durations.buckets()]
    return HistogramMetricFamily(name, about, buckets=buckets, sum_value=durations.total_s)


class _NodeCollector(Collector):
    def __init__(self, node: Node) -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        position = decode_token(self._node.token())
        standings = Tally(row.standing for row in self._node.members())
        members = GaugeMetricFamily("mesh_members", "Members ever heard of, by standing.", labels=("standing",))
        for standing in STANDINGS:
            members.add_metric((standing,), standings[standing])
        yield members
        yield GaugeMetricFamily("mesh_writers", "Writers of which batches are applied.", value=len(position))
        yield CounterMetricFamily("mesh_applied_batches", "Batches applied here.", value=sum(position.values()))
        meter = self._node.meter
        yield _histogram("mesh_loop_step_seconds", "How long one step of a task held the loop.", meter.steps)
        yield _histogram("mesh_loop_turn_seconds", "How long the loop did not look at its sockets.", meter.turns)
        yield _histogram("mesh_gc_pause_seconds", "How long a garbage collection took.", meter.pauses)
        health = self._node.health()
        yield GaugeMetricFamily("mesh_storage_readers", "Readers of the ledger's file.", value=health.readers)
        lag = "Commits that the oldest reader of the ledger's file is behind; while it stays, the file grows."
        yield GaugeMetricFamily("mesh_storage_reader_lag", lag, value=health.reader_lag)
        yield GaugeMetricFamily("mesh_storage_damaged_rows", "Rows asked back from peers.", value=health.damaged)
        yield CounterMetricFamily("mesh_storage_scrubs", "Parts of the file read and compared.", value=health.scrubs)
        boards = len({row.owner_node for row in self._node.state()})
        yield GaugeMetricFamily("mesh_boards", "Boards held here.", value=boards)
        missing = (found.wanted - found.have) if (found := self._node.catching_up()) else 0
        yield GaugeMetricFamily(
            "mesh_missing_batches", "Batches that a long catch-up has still to bring.", value=missing
        )
