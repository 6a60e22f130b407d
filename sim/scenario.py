"""A scenario: the mesh, its world, what is done to it and what breaks, as one immutable value.

Invariant: a scenario that was read makes sense as a whole; the seed alone is missing to make it one run.
"""

from typing import Annotated, get_args

import msgspec
from msgspec import Meta, Struct

from mesh.config import GossipConfig, with_profile
from mesh.errors import UsageError
from sim.breakage import Fault, end_of, most_hit
from sim.capacity import Capacity
from sim.clock import ClockModel
from sim.delays import DelayModel, Regions, check_regions
from sim.losses import Bursts
from sim.nat import Nat
from sim.quantities import ByteRate, Bytes, Count, Rate, Seconds, Share, Span


class StartModel(Struct, frozen=True, forbid_unknown_fields=True):
    """How the mesh begins: when nodes start, how many of the first are everybody's seeds, and whether all know each other."""

    spread_s: Annotated[Seconds, Meta(description="Nodes start within so long, evenly spread by lot.")] = 2.0
    seeds: Annotated[Count, Meta(description="So many nodes, the first, are everybody's seeds.")] = 3
    named: Annotated[
        bool, Meta(description="Everybody is given one name for all seeds, which `rename` can point elsewhere.")
    ] = False
    known: Annotated[
        bool,
        Meta(description="All start at once and know each other, as after a long life: large meshes begin quickly."),
    ] = False


class NetworkModel(Struct, frozen=True, forbid_unknown_fields=True):
    """Delays and faults of the network, datagrams' and streams'. Streams send again what was lost, so that it comes later."""

    delay_s: Annotated[Seconds, Meta(description="One way, where there are no `delays`.")] = 0.0003
    jitter_s: Annotated[Seconds, Meta(description="Mean of an exponential that is added to `delay_s`.")] = 0.0002
    loss: Annotated[Share, Meta(description="Every packet is lost with this probability.")] = 0.001
    duplicates: Annotated[Share, Meta(description="A datagram comes twice with this probability.")] = 0.0005
    reordered: Annotated[Share, Meta(description="A datagram comes late with this probability.")] = 0.001
    reordered_s: Annotated[Seconds, Meta(description="How much later a reordered datagram comes.")] = 0.02
    bandwidth_byte_s: Annotated[ByteRate, Meta(description="A stream's own rate: 1 Gbit/s less what headers take.")] = (
        100e6
    )
    dial_timeout_s: Annotated[Seconds, Meta(description="A dial waits so long for an answer, as the runtime's.")] = 3.0
    notice_s: Annotated[Seconds, Meta(description="A stream notices so late that nobody answers any more.")] = 10.0
    resend_s: Annotated[
        Seconds, Meta(description="A lost packet of a stream is sent again after this, doubled each time (RFC 6298).")
    ] = 0.2
    delays: Annotated[
        DelayModel | None, Meta(description="Where nodes stand and how far apart; None: a local network.")
    ] = None
    bursts: Annotated[Bursts | None, Meta(description="Loss in bursts, on top of `loss`.")] = None
    capacity: Annotated[Capacity | None, Meta(description="What lines carry; None: everything.")] = None
    mtu_bytes: Annotated[
        Bytes | None, Meta(description="Larger datagrams, IP and UDP headers included, vanish; None: none do.")
    ] = None
    nat: Annotated[Nat | None, Meta(description="Nodes that can't be dialled; None: all can.")] = None
    rack_nodes: Annotated[Count, Meta(description="So many neighbours, by number, share a rack.")] = 20


class DiskModel(Struct, frozen=True, forbid_unknown_fields=True):
    """A commit takes `store_s` plus an exponential with mean `store_jitter_s`; the soft disk syncs after `lazy_s`."""

    store_s: Annotated[Seconds, Meta(description="The least that a commit takes.")] = 0.001
    store_jitter_s: Annotated[Seconds, Meta(description="Mean of an exponential that is added.")] = 0.001
    lazy_s: Annotated[Seconds, Meta(description="A power cut takes back so much of the soft disk.")] = 2.0


class Workload(Struct, frozen=True, forbid_unknown_fields=True):
    """What people and units do until `settle_s` before the end."""

    writes_per_s: Annotated[Rate, Meta(description="Writes of the whole mesh: configuration is rare.")] = 2.0
    keys: Annotated[Count, Meta(description="How many records are written to: few keys make conflicts.")] = 200
    publish_interval_s: Annotated[
        Annotated[float, Meta(gt=0.0)], Meta(description="How often each node's board changes.")
    ] = 10.0
    topics: Annotated[
        Count,
        Meta(description="How many topics each board has; one changes at a time, or of several is taken away."),
    ] = 1
    buries: Annotated[Share, Meta(description="Share of writes that bury a record; the next at it restores it.")] = 0.0
    clears: Annotated[Share, Meta(description="Share of writes that clear a field.")] = 0.0
    from_s: Annotated[Seconds, Meta(description="When people begin to write.")] = 5.0
    settle_s: Annotated[
        Seconds, Meta(description="The silence at the end, after the last write and the last fault.")
    ] = 30.0


class Checks(Struct, frozen=True, forbid_unknown_fields=True):
    """Every `every`-th event of the mesh its peer is checked; at the end there are `grace_s` to converge.

    `dead_s` counts while the one that is held dead and the one that holds it so are well and can reach each other.
    """

    every: Annotated[Count, Meta(description="Every so many events of the mesh a peer checks itself.")] = 500
    grace_s: Annotated[Seconds, Meta(description="So long after the end the mesh may take to converge.")] = 30.0
    dead_s: Annotated[Span, Meta(description="Nobody well is held dead for longer than this.")] = 60.0


class Scenario(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything about a run but its seed. Times are virtual seconds."""

    name: Annotated[str, Meta(description="The name of its file, whatever stands here.")] = ""
    about: Annotated[str, Meta(description="What happens, in a sentence.")]
    nodes: Annotated[Annotated[int, Meta(ge=1, le=20_000)], Meta(description="How many machines.")] = 100
    seconds: Annotated[Annotated[float, Meta(gt=0.0, le=1e7)], Meta(description="How long, in virtual seconds.")] = (
        300.0
    )
    start: Annotated[StartModel, Meta(description="How it begins.")] = StartModel()
    network: Annotated[NetworkModel, Meta(description="What lies between nodes.")] = NetworkModel()
    disk: Annotated[DiskModel, Meta(description="Every machine's disks.")] = DiskModel()
    clock: Annotated[ClockModel, Meta(description="Every machine's clock.")] = ClockModel()
    gossip: Annotated[
        GossipConfig, Meta(description="The knobs of every peer, as in a node's own configuration (mesh/config.py).")
    ] = GossipConfig()
    workload: Annotated[Workload, Meta(description="What people and units do.")] = Workload()
    checks: Annotated[Checks, Meta(description="How closely it is looked at.")] = Checks()
    faults: Annotated[tuple[Fault, ...], Meta(description="What breaks, and when.")] = ()


def read_scenario(raw: object, source: str) -> Scenario:
    """The scenario in what a TOML file held. `source` is named in complaints. Raises UsageError."""
    if isinstance(raw, dict) and "gossip" in raw:
        raw = {**raw, "gossip": with_profile(raw["gossip"])}
    try:
        scenario = msgspec.convert(raw, Scenario)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$")
        where = place.strip("`.") or "the top level"
        raise UsageError(f"{source}: at {where}: {text}", field=where, todo=_what_can_be(where)) from None
    check_scenario(scenario, source)
    return scenario


def _what_can_be(where: str) -> str:
    """Where a reader finds what may stand at a place of a scenario."""
    if where.startswith("faults") and where.endswith(".kind"):
        return f"give one of {', '.join(sorted(kind.__struct_config__.tag for kind in get_args(Fault)))}"
    return "see `mesh-sim schema --markdown`, which lists every field with its unit, or a packaged one: `mesh-sim list`"


def check_scenario(scenario: Scenario, source: str) -> None:
    """Raise UsageError where parts of a scenario contradict each other."""
    if isinstance(scenario.network.delays, Regions):
        check_regions(scenario.network.delays)
    settle_s = scenario.workload.settle_s
    ends = [end_of(fault, scenario.nodes) for fault in scenario.faults]
    needed = max(ends, default=scenario.workload.from_s) + settle_s
    if needed > scenario.seconds:
        raise UsageError(
            f"{source}: {scenario.seconds:g} s are too few: its last fault ends (or its workload begins) at"
            f" {needed - settle_s:g} s, and the last {settle_s:g} s are for settling",
            field="seconds",
            todo=f"run at least {needed:g} s (--seconds), or let faults end sooner, or lower workload.settle_s",
        )
    for number, fault in enumerate(scenario.faults):
        hit = most_hit(fault, scenario.nodes)
        if hit >= scenario.nodes:
            raise UsageError(
                f"{source}: fault {number} hits {hit} of {scenario.nodes} nodes, and one must go on",
                field=f"faults.{number}.count",
                todo="use more nodes (--nodes), or kind = 'mass-restart'",
            )
