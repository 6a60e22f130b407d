"""The simulator itself: messages per second, the size of a large mesh, and the model of a million nodes.

A message is what a core is handed: one of a datagram, which may hold several, or a frame of a stream. Times are of the processor.
Each part runs in a process of its own, so that its memory is its own.
"""

import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator

from bench.measure import Measure, at_least, at_most
from sim.collecting import rare_collections
from sim.large_pages import large_pages
from sim.library import load
from sim.run import SimulatedMesh, resized
from sim.vector.command import quiet_like
from sim.vector.spread import compare, spread

KNOWN = ("start.known=true",)
QUIET = (*KNOWN, "workload.writes_per_s=0", "workload.publish_interval_s=1e9")
WARM_S, MEASURED_S = 1.0, 1.0  # All boards of a mesh in ten seconds: a second holds a tenth of them.
IDLE_WARM_S, SETTLED_WARM_S, IDLE_S = 8.0, 30.0, 2.0  # By eight seconds nearly all links are agreed, by thirty all are.
GIB = 1024**3

Figures = dict[str, float | int | str]


def measures() -> Iterator[Measure]:
    """All figures of the group `sim`; some seven minutes."""
    for nodes in (100, 1_000):
        found = _alone(_messages, nodes)
        yield at_least(f"sim.messages.{nodes}", float(found["per_s"]), 80_000, "messages/s of one core", found)
    idle = _alone(_idle, 10_000)
    yield at_most("sim.idle_memory.10000", float(idle["gib"]), 16, "GiB", idle)
    yield at_least("sim.idle_pace.10000", float(idle["pace"]), 1, "virtual s per s of one core", idle)
    yield at_least("sim.settled_pace.10000", float(idle["settled"]), 1, "virtual s per s of one core", idle)
    vector = _alone(_vector, 1_000_000)
    yield Measure("sim.vector.1000000", float(vector["seconds"]), "s of one core", None, None, vector)
    beside = _alone(_compare, 1_000)
    yield at_most("sim.vector_apart.1000", float(beside["apart"]), 0.05, "of the exact median", beside)


def _alone(part: Callable[[int], Figures], nodes: int) -> Figures:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(part, (nodes,))


def _through(mesh: SimulatedMesh, warm_s: float, measured_s: float) -> tuple[int, float]:
    """How many messages a mesh sends in a span behind its beginning, and the processor time of that."""
    with rare_collections(), large_pages():
        mesh.world.run(warm_s)
        before, began = mesh.network.traffic.messages, time.process_time()
        mesh.world.run(warm_s + measured_s)
        return mesh.network.traffic.messages - before, time.process_time() - began


def _messages(nodes: int) -> Figures:
    mesh = SimulatedMesh(resized(load("steady", KNOWN), nodes, None), 1)
    messages, took_s = _through(
        mesh, WARM_S * 10 if nodes < 1_000 else WARM_S, MEASURED_S * (10 if nodes < 1_000 else 1)
    )
    return {"per_s": round(messages / took_s), "messages": messages, "cpu_s": round(took_s, 2)}


def _idle(nodes: int) -> Figures:
    """An idle mesh in two spans of its life: seconds 8 to 10, in which some links are still sought, and 30 to 32."""
    mesh = SimulatedMesh(resized(load("steady", QUIET), nodes, 60.0), 1)
    messages, took_s = _through(mesh, IDLE_WARM_S, IDLE_S)
    settled, settled_s = _through(mesh, SETTLED_WARM_S, IDLE_S)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
    return {
        "gib": round(held, 3),
        "pace": round(IDLE_S / took_s, 3),
        "messages": messages,
        "cpu_s": round(took_s, 2),
        "settled": round(IDLE_S / settled_s, 3),
        "settled_messages": settled,
        "settled_cpu_s": round(settled_s, 2),
    }


def _vector(nodes: int) -> Figures:
    made = quiet_like(load("regions19"), nodes, 1)
    spread(quiet_like(load("regions19"), 100, 1), 1, 1)  # Compiled, as it stays on the disk.
    began = time.process_time()
    found = spread(made, 1, 1)
    took_s = time.process_time() - began
    return {
        "seconds": round(took_s, 2),
        "p50_ms": found.model.p50_ms,
        "last_ms": found.model.last_ms,
        "copies": found.model.copies,
    }


def _compare(nodes: int) -> Figures:
    found = compare(quiet_like(load("regions19"), nodes, 12), 1, 12)
    assert found.exact is not None
    assert found.apart is not None
    return {"apart": round(found.apart, 4), "model_ms": found.model.p50_ms, "exact_ms": found.exact.p50_ms}
