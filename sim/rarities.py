"""What swarms meet more rarely: kinds of faults and surroundings that are laid over a mixture, each by a chance of its own.

Invariant: a mixture stays as it was drawn, but for what is laid over it, and everything still ends.
"""

from random import Random

from msgspec.structs import replace

from mesh.config import PROFILES, GossipConfig
from sim.breakage import (
    RESTART_S,
    Churn,
    ChurnTrace,
    ClockJump,
    CopiedDisk,
    Crash,
    Fault,
    Heal,
    Hitting,
    Loss,
    Partition,
    Rename,
    Restart,
    Slow,
    SlowDisk,
)
from sim.delays import Geographic, OneWay, Regions, RttFile
from sim.laws import Constant, Exponential, Law, Normal, Pareto, Uniform, Weibull
from sim.nat import Nat
from sim.packaged import PACKAGED
from sim.scenario import NetworkModel, StartModel

TRACE, TRACE_NODES, TRACE_S = f"{PACKAGED}churn-trace.csv", 10, 60.0
FILES = (f"{PACKAGED}rtt-triples.txt", f"{PACKAGED}rtt-matrix.csv")
LASTS_S_MAX = 40.0
TREE = GossipConfig(links_max=5, direct_max=0, eager_min=3)  # As a mesh too large for everybody to tell everybody.
COMMITS: tuple[Law, ...] = (
    Constant(value_s=0.3),
    Uniform(least_s=0.0, most_s=0.5),
    Exponential(mean_s=0.2),
    Normal(mean_s=0.2, deviation_s=0.1),
    Pareto(least_s=0.02, shape=1.5, most_s=5.0),
    Weibull(scale_s=0.1, shape=0.6, most_s=5.0),
)


def rarer_gossip(rng: Random) -> GossipConfig:
    """Mostly the usual knobs; now and then news goes along links, or the profile is another."""
    return rng.choice((GossipConfig(),) * 5 + (TREE,) * 3 + (PROFILES["wan"], PROFILES["local"]))


def rarer_start(start: StartModel, rng: Random) -> StartModel:
    """Now and then all know each other from the beginning, or know one name for all seeds."""
    return replace(start, known=rng.random() < 0.1, named=rng.random() < 0.1)


def rarer_network(network: NetworkModel, seeds: int, rng: Random) -> NetworkModel:
    """Now and then some nodes can't be dialled, round trips come from a file, or a law is one of life times.

    Nodes that can't be dialled need two that can (DESIGN §9).
    """
    hidden, filed, lived = rng.random() < 0.1, rng.random() < 0.2, rng.random() < 0.3
    if hidden and seeds > 1:
        network = replace(network, nat=Nat(share=rng.choice((0.25, 0.5))))
    if network.capacity is not None:
        free = rng.choice(("up_byte_s", "down_byte_s", None))  # A line may be narrow one way only.
        network = replace(network, capacity=replace(network.capacity, **({free: None} if free else {})))
    if network.delays is None and filed:
        return replace(network, delays=RttFile(file=rng.choice(FILES), jitter=rng.choice((0.0, 0.1))))
    if isinstance(network.delays, Regions) and filed:
        return replace(network, delays=replace(network.delays, weights=(3.0, 2.0, 1.0)))
    if isinstance(network.delays, OneWay) and lived:
        law = Weibull(scale_s=0.01, shape=0.7, most_s=0.2)
        return replace(network, delays=replace(network.delays, law=law, jitter=0.1))
    return network


def renamings(start: StartModel, nodes: int, rng: Random) -> tuple[Fault, ...]:
    """Where seeds have a name: it leads to nobody or to somebody else for a while."""
    if not start.named or rng.random() < 0.3:
        return ()
    at_s, others = round(rng.uniform(10.0, 60.0), 3), rng.choice(((), (nodes - 1,), (0, nodes - 1)))
    return Rename(at_s=at_s, nodes=others), Rename(at_s=at_s + 15.0, nodes=tuple(range(min(start.seeds, nodes))))


def rarer_faults(faults: tuple[Fault, ...], nodes: int, network: NetworkModel, rng: Random) -> tuple[Fault, ...]:
    """The same faults in their order, some in a rarer form, and sometimes one or two more."""
    found: list[Fault] = [other for fault in faults for other in _rarer(fault, nodes, network, rng)]
    begin = min((fault.at_s for fault in faults), default=8.0)
    if rng.random() < 0.12:
        found.append(CopiedDisk(at_s=_moment(begin, rng), lasts_s=rng.choice((10.0, 40.0))))
    if nodes >= TRACE_NODES and rng.random() < 0.2:
        found.append(ChurnTrace(at_s=_moment(begin, rng), file=TRACE, lasts_s=TRACE_S, silent=rng.random() < 0.5))
    return tuple(sorted(found, key=lambda fault: fault.at_s))


def _moment(begin: float, rng: Random) -> float:
    return round(begin + rng.random() * LASTS_S_MAX, 3)


def _rarer(fault: Fault, nodes: int, network: NetworkModel, rng: Random) -> list[Fault]:
    """One fault as it is or in a rarer form; what ends by itself may also be ended by hand."""
    match fault:
        case Partition(heal_after_s=float(after_s)) if rng.random() < 0.25:
            cut = _other_parts(replace(fault, heal_after_s=None), network, rng)
            return [cut, Heal(at_s=round(fault.at_s + after_s, 3))]
        case Crash(lost_disk=False, restart_after_s=float(after_s)) if rng.random() < 0.15:
            return [replace(fault, restart_after_s=None), Restart(at_s=round(fault.at_s + after_s + RESTART_S, 3))]
        case Crash(restart_after_s=float()) if rng.random() < 0.15:
            return [replace(fault, moved=True)]
        case Slow() if rng.random() < 0.33:
            return [replace(fault, mode="block")]
        case SlowDisk() if rng.random() < 0.5:
            return [replace(fault, commit=rng.choice(COMMITS))]
        case ClockJump() if rng.random() < 0.2:
            return [replace(fault, restart=False)]
        case Churn() if rng.random() < 0.33:
            arrivals = rng.random() < 0.5
            rate = {"absences": None, "arrivals_per_s": 0.3} if arrivals else {"absences": Constant(value_s=3.0)}
            return [replace(fault, **rate, lost_disk=rng.random() < 0.3)]
        case Loss() if rng.random() < 0.2:
            return [replace(fault, towards=tuple(sorted(rng.sample(range(nodes), max(1, nodes // 2)))))]
        case Hitting():
            return [_other_targets(fault, nodes, network, rng)]
        case _:
            pass
    return [replace(fault, within_s=2.0) if rng.random() < 0.2 else fault]


def _other_parts(cut: Partition, network: NetworkModel, rng: Random) -> Partition:
    placed = isinstance(network.delays, Regions | Geographic | RttFile)
    return replace(cut, unit="region" if placed and rng.random() < 0.5 else cut.unit, shares=(0.3, 0.3, 0.4))


def _other_targets(fault: Hitting, nodes: int, network: NetworkModel, rng: Random) -> Fault:
    """Now and then it hits a share, a rack, a region, or nodes by their numbers."""
    how, regions = rng.choice(("count",) * 6 + ("share", "rack", "region", "nodes")), network.delays
    changed: dict[str, object] = {}
    match how:
        case "share":
            changed = {"share": 0.3}
        case "rack":
            changed = {"unit": "rack", "count": 1}
        case "region" if isinstance(regions, Regions):
            changed = {"region": rng.choice(regions.names)} if rng.random() < 0.5 else {"unit": "region", "count": 1}
        case "nodes":
            changed = {"nodes": tuple(sorted(rng.sample(range(nodes), max(1, nodes // 3))))}
        case _:
            pass
    made: Fault = replace(fault, **changed)  # type: ignore[assignment]
    return made
