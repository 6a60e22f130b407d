"""Swarm testing: a random scenario from a seed, which mixes networks, machines and faults (Groce et al., ISSTA 2012).

Invariant: `swarm(seed)` is the same scenario for ever; each leaves out most kinds of faults, so that the rest meet each other; and
what it asks for lies within what the checks promise: every fault ends, somebody is always up, and there is time to settle.
"""

from collections.abc import Callable
from random import Random

from msgspec.structs import replace

from sim.breakage import (
    BitRot,
    Churn,
    ClockJump,
    Crash,
    Fault,
    FullDisk,
    Loss,
    MassRestart,
    Partition,
    ResetStreams,
    Rollback,
    RollingRestart,
    Slow,
    SlowDisk,
    Throttle,
    Unit,
    end_of,
)
from sim.capacity import Capacity
from sim.clock import ClockModel
from sim.delays import DelayModel, Geographic, OneWay, Regions
from sim.laws import Constant, Exponential, Law, LogNormal, Normal, Pareto, Uniform, Weibull
from sim.losses import Bursts, Direction, Plane
from sim.rarities import rarer_faults, rarer_gossip, rarer_network, rarer_start, renamings
from sim.scenario import Checks, DiskModel, NetworkModel, Scenario, StartModel, Workload

SETTLE_S = 40.0
BREAK_FROM_S = 8.0
BREAK_S = 80.0  # All faults begin within so long.
DIRECTIONS: tuple[Direction, ...] = ("in", "out", "both")
UNITS: tuple[Unit, ...] = ("node", "rack")
PLANES: tuple[Plane, ...] = ("all", "all", "datagrams", "streams")


def swarm(seed: int) -> Scenario:
    """The scenario of a seed: 3 to 16 nodes, and one to eight faults, for a few virtual minutes."""
    rng = Random(f"swarm/{seed}")
    nodes = rng.choice((3, 4, 5, 6, 8, 8, 10, 12, 16))
    faults, rare = _faults(rng, nodes), Random(f"swarm/{seed}/rarities")
    start = StartModel(spread_s=rng.choice((0.0, 2.0, 5.0)), seeds=rng.choice((1, 2, 3)))
    network = rarer_network(_network(rng), start.seeds, rare)
    start = rarer_start(start, rare)
    faults = rarer_faults((*faults, *renamings(start, nodes, rare)), nodes, network, rare)
    ends = max((end_of(fault, nodes) for fault in faults), default=BREAK_FROM_S)
    return Scenario(
        name=f"swarm-{seed}",
        about=f"Whatever the swarm's seed {seed} asks for",
        nodes=nodes,
        seconds=round(ends + SETTLE_S + 20.0, 3),
        start=start,
        network=network,
        disk=DiskModel(store_jitter_s=rng.choice((0.0, 0.001, 0.02))),
        clock=ClockModel(rng.choice((0.0, 0.05, 2.0)), rng.choice((0.0, 0.0, 100.0)), epoch_s=1e6),
        gossip=rarer_gossip(rare),
        workload=_workload(rng, Random(f"swarm/{seed}/topics").choice((1, 3, 12))),
        checks=Checks(every=100, grace_s=120.0),
        faults=faults,
    )


def _workload(rng: Random, topics: int) -> Workload:
    return Workload(
        writes_per_s=rng.choice((0.5, 2.0, 8.0)),
        keys=rng.choice((1, 10, 100)),
        publish_interval_s=rng.choice((1.0, 5.0, 20.0)),
        settle_s=SETTLE_S,
        buries=rng.choice((0.0, 0.1)),
        clears=rng.choice((0.0, 0.1)),
        topics=topics,
    )


def _network(rng: Random) -> NetworkModel:
    network = NetworkModel(
        delay_s=rng.choice((0.0001, 0.001, 0.02)),
        jitter_s=rng.choice((0.0, 0.0005, 0.01)),
        loss=rng.choice((0.0, 0.0, 0.001, 0.03)),
        duplicates=rng.choice((0.0, 0.02)),
        reordered=rng.choice((0.0, 0.05)),
        rack_nodes=rng.choice((2, 4)),
        delays=_delays(rng),
    )
    if rng.random() < 0.2:
        network = replace(network, bursts=Bursts(good_s=5.0, bad_s=0.3, at=rng.choice(("link", "sender", "receiver"))))
    if rng.random() < 0.1:
        network = replace(network, capacity=Capacity(up_byte_s=1e6, down_byte_s=1e6, queue_bytes=65_536))
    if rng.random() < 0.1:
        network = replace(network, mtu_bytes=1_280)
    return network


def _delays(rng: Random) -> DelayModel | None:
    """Half of all meshes are local; round trips stay below the probes' time-out."""
    tri = Regions(names=("a", "b", "c"), rtt_s=((0.001, 0.03, 0.09), (0.03, 0.001, 0.07), (0.09, 0.07, 0.001)))
    laws: tuple[Law, ...] = (
        Constant(value_s=0.005),
        Uniform(least_s=0.0, most_s=0.05),
        Exponential(mean_s=0.01),
        Normal(mean_s=0.03, deviation_s=0.01),
        LogNormal(median_s=0.01, sigma=0.7, most_s=0.2),
        Pareto(least_s=0.002, shape=1.5, most_s=0.2),
    )
    law = OneWay(law=rng.choice(laws), each=rng.choice(("message", "link")))
    return rng.choice((None, None, None, tri, Geographic(), law))


def _faults(rng: Random, nodes: int) -> tuple[Fault, ...]:
    kinds = rng.sample(KINDS, rng.randint(2, 6))
    made = [rng.choice(kinds)(rng, nodes) for _ in range(rng.randint(1, 8))]
    placed = [replace(fault, at_s=round(BREAK_FROM_S + rng.random() * BREAK_S, 3)) for fault in made]
    return tuple(sorted(_one_cut_at_a_time(placed, nodes), key=lambda fault: fault.at_s))


def _one_cut_at_a_time(faults: list[Fault], nodes: int) -> list[Fault]:
    """A second cut would replace the first, and the first one's end would heal the second."""
    free_at, kept = 0.0, []
    for fault in sorted(faults, key=lambda fault: fault.at_s):
        if isinstance(fault, Partition):
            if fault.at_s < free_at:
                continue
            free_at = end_of(fault, nodes)
        kept.append(fault)
    return kept


def _few(rng: Random, nodes: int) -> int:
    """So many nodes as may be hit at once: at most a third, at least one."""
    return rng.randint(1, max(1, nodes // 3))


def _crash(rng: Random, nodes: int) -> Fault:
    count, after = _few(rng, nodes), rng.choice((0.5, 3.0, 15.0))
    return Crash(at_s=0.0, count=count, restart_after_s=after, silent=rng.random() < 0.5)


def _lost_disk(rng: Random, nodes: int) -> Fault:
    return Crash(at_s=0.0, count=1, restart_after_s=rng.choice((1.0, 10.0)), lost_disk=True)


def _partition(rng: Random, nodes: int) -> Fault:
    share, unit = rng.choice((0.2, 0.5)), rng.choice(UNITS)
    return Partition(at_s=0.0, shares=(share, 1.0 - share), unit=unit, heal_after_s=rng.choice((3.0, 20.0, 60.0)))


def _mass_restart(rng: Random, nodes: int) -> Fault:
    return MassRestart(at_s=0.0, down_s=rng.choice((0.0, 5.0)), spread_s=rng.choice((0.0, 3.0)))


def _rolling_restart(rng: Random, nodes: int) -> Fault:
    return RollingRestart(at_s=0.0, batch=_few(rng, nodes), down_s=1.0, pause_s=rng.choice((1.0, 4.0)))


def _loss(rng: Random, nodes: int) -> Fault:
    return Loss(
        at_s=0.0,
        count=_few(rng, nodes),
        lasts_s=rng.choice((5.0, 40.0)),
        loss=rng.choice((0.3, 0.8, 1.0)),
        direction=rng.choice(DIRECTIONS),
        plane=rng.choice(PLANES),
        on_s=rng.choice((None, 5.0, 20.0)),
        off_s=rng.choice((2.0, 20.0)),
    )


def _slow(rng: Random, nodes: int) -> Fault:
    return Slow(
        at_s=0.0,
        count=_few(rng, nodes),
        lasts_s=rng.choice((10.0, 40.0)),
        mode=rng.choice(("gate", "freeze")),
        stagger_s=rng.choice((0.0, 5.0)),
        blocked=rng.choice((Constant(value_s=2.0), Constant(value_s=16.4), Exponential(mean_s=1.0))),
        running=rng.choice((None, Constant(value_s=0.064), Exponential(mean_s=1.0))),
    )


def _throttle(rng: Random, nodes: int) -> Fault:
    return Throttle(at_s=0.0, count=_few(rng, nodes), cpu_share=rng.choice((0.01, 0.1)), lasts_s=20.0)


def _disk(rng: Random, nodes: int) -> Fault:
    count = _few(rng, nodes)
    slow = SlowDisk(at_s=0.0, count=count, lasts_s=20.0, commit=LogNormal(median_s=0.1, sigma=1.5, most_s=5.0))
    return rng.choice((FullDisk(at_s=0.0, count=count, lasts_s=15.0), slow))


def _relapse(rng: Random, nodes: int) -> Fault:
    return rng.choice((Rollback(at_s=0.0, after_s=rng.choice((1.0, 20.0))), BitRot(at_s=0.0)))


def _clock(rng: Random, nodes: int) -> Fault:
    return ClockJump(at_s=0.0, count=_few(rng, nodes), by_s=rng.choice((-3600.0, -5.0, 5.0, 3600.0)))


def _churn(rng: Random, nodes: int) -> Fault:
    sessions = rng.choice((Weibull(scale_s=20.0, shape=0.5), Exponential(mean_s=15.0), Pareto(least_s=3.0, shape=1.1)))
    return Churn(
        at_s=0.0,
        count=_few(rng, nodes),
        lasts_s=60.0,
        sessions=sessions,
        absences=Exponential(mean_s=6.0),
        silent=rng.random() < 0.5,
    )


def _reset(rng: Random, nodes: int) -> Fault:
    return ResetStreams(at_s=0.0, count=_few(rng, nodes))


KINDS: tuple[Callable[[Random, int], Fault], ...] = (
    _crash,
    _lost_disk,
    _partition,
    _mass_restart,
    _rolling_restart,
    _loss,
    _slow,
    _throttle,
    _disk,
    _relapse,
    _clock,
    _churn,
    _reset,
)
