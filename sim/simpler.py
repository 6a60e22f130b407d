"""Simpler scenarios than a given one: fewer faults, then fewer nodes, less time, less work, a plainer world.

Invariant: each one offered is strictly simpler in one way and not less simple in any other, so that taking them again and again
ends.
"""

from collections.abc import Callable, Iterator

from msgspec.structs import fields, replace

from sim.breakage import Fault, Heal, Hitting, end_of
from sim.clock import ClockModel
from sim.scenario import DiskModel, NetworkModel, Scenario, StartModel, Workload

Pass = Callable[[Scenario], Iterator[Scenario]]

PLAIN_NETWORK = NetworkModel(jitter_s=0.0, loss=0.0, duplicates=0.0, reordered=0.0)
LASTS_S_MIN = 1.0  # What is over sooner is a fault of another kind.
SPANS = ("lasts_s", "restart_after_s", "heal_after_s", "down_s", "spread_s", "after_s", "stagger_s", "pause_s")
AFTER_S = 1.0  # The simulator looks once a second.
FIRST_S = 6.0  # A fault before the mesh is there is a fault of another kind.
PUBLISH_S_MAX = 1_000.0
WRITES_PER_S_MIN = 0.1


def fewer_faults(scenario: Scenario) -> Iterator[Scenario]:
    """Without all faults, without half of them, … without one (Zeller's ddmin, complements only)."""
    faults = scenario.faults
    size = len(faults)
    while size:
        for start in range(0, len(faults), size):
            yield replace(scenario, faults=faults[:start] + faults[start + size :])
        size //= 2


def simpler_faults(scenario: Scenario) -> Iterator[Scenario]:
    """Each fault at one node, at its earliest moment, and for half as long."""
    for number, fault in enumerate(scenario.faults):
        for simpler in _simpler(fault):
            yield replace(scenario, faults=(*scenario.faults[:number], simpler, *scenario.faults[number + 1 :]))


def _simpler(fault: Fault) -> Iterator[Fault]:
    if fault.within_s:
        yield replace(fault, within_s=0.0)
    if isinstance(fault, Hitting) and fault.nodes is None:
        if fault.share is not None:
            yield replace(fault, share=None)
        if fault.count > 1:
            yield replace(fault, count=1)
        if fault.unit != "node":
            yield replace(fault, unit="node")
    for field in fields(fault):
        span = getattr(fault, field.name)
        if field.name in SPANS and span is not None and span / 2.0 >= LASTS_S_MIN:
            yield replace(fault, **{field.name: span / 2.0})


def over_at(scenario: Scenario, moment_s: float) -> Iterator[Scenario]:
    """The same up to a moment, lot by lot, and over just after it: no fault goes on behind it, and none begins.

    In the place of each that began later stands one that does nothing, as each draws a lot at the beginning.
    """
    last_s = moment_s + AFTER_S / 2 + max((fault.within_s for fault in scenario.faults), default=0.0)
    seconds = last_s + AFTER_S / 2
    quiet_s = min(scenario.seconds - scenario.workload.settle_s, last_s + AFTER_S / 4)
    if seconds >= scenario.seconds:
        return
    faults = tuple(
        _over(fault, last_s, scenario.nodes) if fault.at_s < last_s else Heal(at_s=last_s) for fault in scenario.faults
    )
    work = replace(scenario.workload, settle_s=seconds - quiet_s)
    checks = replace(scenario.checks, grace_s=0.0)
    yield replace(scenario, seconds=seconds, faults=faults, workload=work, checks=checks)


def _over(fault: Fault, last_s: float, nodes: int) -> Fault:
    """A fault that is over at a moment, or, where it can't be, as it was."""
    too_long_s = end_of(fault, nodes) - last_s
    if too_long_s <= 0.0:
        return fault
    for name in ("lasts_s", "restart_after_s", "heal_after_s"):
        span_s = getattr(fault, name, None)
        if span_s is not None and span_s > too_long_s:
            changed: Fault = replace(fault, **{name: span_s - too_long_s})
            return changed
    return fault


def fewer_nodes(scenario: Scenario) -> Iterator[Scenario]:
    """From one node up, by halves, and at last with one less."""
    nodes = scenario.nodes
    wanted = sorted({1, 2, 3, nodes // 4, nodes // 2, nodes * 3 // 4, nodes - 1})
    yield from (replace(scenario, nodes=count) for count in wanted if 1 <= count < nodes)


def less_time(scenario: Scenario) -> Iterator[Scenario]:
    """No longer than its faults and its settling ask for; less settling and less grace; faults that come sooner."""
    shortest = _needed(scenario)
    if shortest < scenario.seconds:
        yield replace(scenario, seconds=shortest)
    work, checks = scenario.workload, scenario.checks
    for settle_s in (1.0, work.settle_s / 4.0, work.settle_s / 2.0, work.settle_s * 0.75):
        if 1.0 <= settle_s < work.settle_s:
            yield _fitted(replace(scenario, workload=replace(work, settle_s=settle_s)))
    for grace_s in (0.0, checks.grace_s / 4.0, checks.grace_s / 2.0):
        if grace_s < checks.grace_s and (grace_s == 0.0 or grace_s >= 1.0):
            yield replace(scenario, checks=replace(checks, grace_s=grace_s))
    yield from _sooner(scenario)


def _sooner(scenario: Scenario) -> Iterator[Scenario]:
    first = min((fault.at_s for fault in scenario.faults), default=0.0)
    if first > FIRST_S:
        moved = tuple(replace(fault, at_s=fault.at_s - first + FIRST_S) for fault in scenario.faults)
        yield _fitted(replace(scenario, faults=moved))
    pressed = tuple(replace(fault, at_s=_half_way(fault.at_s)) for fault in scenario.faults)
    if pressed != scenario.faults:
        yield _fitted(replace(scenario, faults=pressed))


def _half_way(at_s: float) -> float:
    return at_s if at_s <= FIRST_S + 1.0 else round((at_s + FIRST_S) / 2.0, 1)


def less_work(scenario: Scenario) -> Iterator[Scenario]:
    """No writes, or half of them; one record; no buries and clears; boards of one topic that hardly change."""
    work = scenario.workload
    for less in _less(work):
        yield replace(scenario, workload=less)


def _less(work: Workload) -> Iterator[Workload]:
    if work.writes_per_s:
        yield replace(work, writes_per_s=0.0)
        if work.writes_per_s / 2.0 >= WRITES_PER_S_MIN:
            yield replace(work, writes_per_s=work.writes_per_s / 2.0)
    if work.buries or work.clears:
        yield replace(work, buries=0.0, clears=0.0)
    if work.keys > 1:
        yield replace(work, keys=1)
    if work.topics > 1:
        yield replace(work, topics=1)
    if work.publish_interval_s < PUBLISH_S_MAX:
        yield replace(work, publish_interval_s=PUBLISH_S_MAX)


def plainer_world(scenario: Scenario) -> Iterator[Scenario]:
    """A local network that loses nothing, disks and clocks as they come, all nodes started as usual."""
    plain = (("network", PLAIN_NETWORK), ("disk", DiskModel()), ("clock", ClockModel()), ("start", StartModel()))
    for name, model in plain:
        if getattr(scenario, name) != model:
            yield replace(scenario, **{name: model})


def _needed(scenario: Scenario) -> float:
    """The fewest seconds that make sense."""
    ends = [end_of(fault, scenario.nodes) for fault in scenario.faults]
    return max([scenario.workload.from_s + 1.0, *ends]) + scenario.workload.settle_s


def _fitted(scenario: Scenario) -> Scenario:
    return replace(scenario, seconds=min(scenario.seconds, _needed(scenario)))


PASSES: tuple[Pass, ...] = (less_time, fewer_faults, fewer_nodes, less_work, plainer_world, simpler_faults)
