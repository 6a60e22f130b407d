"""A scenario: the mesh, its world, what is done to it and what breaks, as one immutable value.

Invariant: a scenario that was read makes sense as a whole; the seed alone is missing to make it one run.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from mesh.config import GossipConfig
from mesh.errors import UsageError

Seconds = Annotated[float, Meta(ge=0.0)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Rate = Annotated[float, Meta(ge=0.0)]
Count = Annotated[int, Meta(ge=1)]


class StartModel(Struct, frozen=True, forbid_unknown_fields=True):
    """How the mesh begins: when nodes start, and how many of the first are everybody's seeds."""

    spread_s: Seconds = 2.0
    seeds: Count = 3


class NetworkModel(Struct, frozen=True, forbid_unknown_fields=True):
    """Delays and faults of the network. A delay is `delay_s` plus an exponential with mean `jitter_s`, in one direction."""

    delay_s: Seconds = 0.0003
    jitter_s: Seconds = 0.0002
    loss: Share = 0.001
    duplicates: Share = 0.0005
    reordered: Share = 0.001
    reordered_s: Seconds = 0.02  # How much later a reordered datagram comes.
    bandwidth_byte_s: Annotated[float, Meta(gt=0.0)] = 100e6  # A stream's; 1 Gbit/s less what headers take.
    dial_timeout_s: Seconds = 3.0  # The runtime's.
    notice_s: Seconds = 10.0  # After this long a stream notices that nobody answers any more.


class DiskModel(Struct, frozen=True, forbid_unknown_fields=True):
    """A commit takes `store_s` plus an exponential with mean `store_jitter_s`; the soft disk syncs after `lazy_s`."""

    store_s: Seconds = 0.001
    store_jitter_s: Seconds = 0.001
    lazy_s: Seconds = 2.0


class ClockModel(Struct, frozen=True, forbid_unknown_fields=True):
    """Each machine's clock is ahead of the slowest by up to `offset_s_max`, evenly spread."""

    offset_s_max: Seconds = 0.05


class Workload(Struct, frozen=True, forbid_unknown_fields=True):
    """What people and units do until `settle_s` before the end."""

    writes_per_s: Rate = 2.0  # Of the whole mesh: configuration is rare.
    keys: Count = 200  # How many records are written to: few keys make conflicts.
    publish_interval_s: Annotated[float, Meta(gt=0.0)] = 10.0  # Of each node's board.
    from_s: Seconds = 5.0
    settle_s: Seconds = 30.0


class Checks(Struct, frozen=True, forbid_unknown_fields=True):
    """Every `every`-th event of the mesh its peer is checked; at the end there are `grace_s` to converge."""

    every: Count = 500
    grace_s: Seconds = 30.0


class _Fault(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", kw_only=True):
    """Something that breaks at `at_s`, or up to `within_s` later."""

    at_s: Seconds
    within_s: Seconds = 0.0


class Crash(_Fault, frozen=True, forbid_unknown_fields=True, tag="crash", kw_only=True):
    """`count` machines stop. `silent`: without power, so that streams only time out; otherwise the process alone dies."""

    count: Count = 1
    restart_after_s: Seconds | None = None
    lost_disk: bool = False
    silent: bool = True


class Restart(_Fault, frozen=True, forbid_unknown_fields=True, tag="restart", kw_only=True):
    """Everything that is down starts again within `spread_s`."""

    spread_s: Seconds = 1.0


class Partition(_Fault, frozen=True, forbid_unknown_fields=True, tag="partition", kw_only=True):
    """The network falls into parts with these shares of the nodes, drawn by lot."""

    shares: Annotated[tuple[Share, ...], Meta(min_length=2)] = (0.5, 0.5)
    heal_after_s: Seconds | None = None


class Heal(_Fault, frozen=True, forbid_unknown_fields=True, tag="heal", kw_only=True):
    """The network is whole again."""


class MassRestart(_Fault, frozen=True, forbid_unknown_fields=True, tag="mass-restart", kw_only=True):
    """Everything loses power at once, and comes back after `down_s`, spread over `spread_s`."""

    down_s: Seconds = 5.0
    spread_s: Seconds = 2.0


class LyingDisk(_Fault, frozen=True, forbid_unknown_fields=True, tag="lying-disk", kw_only=True):
    """From now on `count` disks confirm what they throw away. The checks must catch it."""

    count: Count = 1


class BitRot(_Fault, frozen=True, forbid_unknown_fields=True, tag="bit-rot", kw_only=True):
    """`count` machines lose power; when they are back, a value on each of their disks is another one."""

    count: Count = 1
    restart_after_s: Seconds = 1.0


Fault = BitRot | Crash | Restart | Partition | Heal | MassRestart | LyingDisk


class Scenario(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything about a run but its seed. Times are virtual seconds."""

    name: str = ""
    about: str
    nodes: Annotated[int, Meta(ge=1, le=20_000)] = 100
    seconds: Annotated[float, Meta(gt=0.0, le=1e7)] = 300.0
    start: StartModel = StartModel()
    network: NetworkModel = NetworkModel()
    disk: DiskModel = DiskModel()
    clock: ClockModel = ClockModel()
    gossip: GossipConfig = GossipConfig()
    workload: Workload = Workload()
    checks: Checks = Checks()
    faults: tuple[Fault, ...] = ()


def read_scenario(raw: object, source: str) -> Scenario:
    """The scenario in what a TOML file held. `source` is named in complaints. Raises UsageError."""
    try:
        scenario = msgspec.convert(raw, Scenario)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$")
        where = place.strip("`.") or "the top level"
        raise UsageError(
            f"{source}: at {where}: {text}", field=where, todo="compare it with a packaged one: `mesh-sim list`"
        ) from None
    check_scenario(scenario, source)
    return scenario


def check_scenario(scenario: Scenario, source: str) -> None:
    """Raise UsageError where parts of a scenario contradict each other."""
    settle_s = scenario.workload.settle_s
    needed = max((end_of(fault) for fault in scenario.faults), default=scenario.workload.from_s) + settle_s
    if needed > scenario.seconds:
        raise UsageError(
            f"{source}: {scenario.seconds:g} s are too few: its last fault ends (or its workload begins) at"
            f" {needed - settle_s:g} s, and the last {settle_s:g} s are for settling",
            field="seconds",
            todo=f"run at least {needed:g} s (--seconds), or let faults end sooner, or lower workload.settle_s",
        )
    for number, fault in enumerate(scenario.faults):
        if isinstance(fault, BitRot | Crash | LyingDisk) and fault.count >= scenario.nodes:
            raise UsageError(
                f"{source}: fault {number} hits {fault.count} of {scenario.nodes} nodes, and one must go on",
                field=f"faults.{number}.count",
                todo="use more nodes (--nodes), or kind = 'mass-restart'",
            )


def end_of(fault: Fault) -> float:
    """When a fault is over at the latest, as far as it says so itself."""
    latest = fault.at_s + fault.within_s
    match fault:
        case BitRot(restart_after_s=after) | Crash(restart_after_s=after) | Partition(heal_after_s=after):
            return latest + (after or 0.0)
        case MassRestart(down_s=down_s, spread_s=spread_s):
            return latest + down_s + spread_s
        case Restart(spread_s=spread_s):
            return latest + spread_s
        case Heal() | LyingDisk():
            return latest
