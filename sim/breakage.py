"""What may break in a simulated mesh: each fault as one immutable value.

Invariant: a fault says itself when it is over at the latest; chance decides only who is hit and when within the named span.
"""

from math import ceil
from typing import Annotated, Literal

from msgspec import Meta, Struct

from sim.laws import Law
from sim.losses import Direction, Plane
from sim.quantities import Count, Index, Rate, Seconds, Share, SignedSeconds, Span

Lasts = Annotated[Seconds, Meta(description="How long it lasts; then all is well again.")]


Unit = Literal["node", "rack", "region"]


class Happening(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", kw_only=True):
    """Something that breaks at `at_s`, or up to `within_s` later."""

    at_s: Annotated[Seconds, Meta(description="When it happens.")]
    within_s: Annotated[Seconds, Meta(description="It happens up to so much later, by lot.")] = 0.0


class Hitting(Happening, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something that breaks at some nodes."""

    count: Annotated[Count, Meta(description="How many nodes (racks, regions) of those that are up, by lot.")] = 1
    share: Annotated[
        Share | None, Meta(description="How many as a share of all nodes, at least one; before `count`.")
    ] = None
    nodes: Annotated[tuple[Index, ...] | None, Meta(description="Exactly these, by number; before `share`.")] = None
    region: Annotated[str | None, Meta(description="Only nodes of this region.")] = None
    unit: Annotated[Unit, Meta(description="What `count` counts: whole racks go together.")] = "node"


class Crash(Hitting, frozen=True, forbid_unknown_fields=True, tag="crash", kw_only=True):
    """Machines stop. `silent`: without power, so that streams only time out; otherwise the process alone dies."""

    restart_after_s: Annotated[Seconds | None, Meta(description="None: it stays down.")] = None
    lost_disk: Annotated[bool, Meta(description="Whether both disks come back empty.")] = False
    silent: Annotated[
        bool, Meta(description="Whether the machine loses power; otherwise its streams are closed at once.")
    ] = True
    moved: Annotated[
        bool, Meta(description="Whether it comes back at another address; seeds are found there by their names.")
    ] = False


class Restart(Happening, frozen=True, forbid_unknown_fields=True, tag="restart", kw_only=True):
    """Everything that is down starts again within `spread_s`."""

    spread_s: Annotated[Seconds, Meta(description="All start within so long.")] = 1.0


class Partition(Happening, frozen=True, forbid_unknown_fields=True, tag="partition", kw_only=True):
    """The network falls into parts with these shares of the nodes (or of racks, or regions), drawn by lot."""

    shares: Annotated[
        Annotated[tuple[Share, ...], Meta(min_length=2)],
        Meta(description="How large the parts are, against each other."),
    ] = (0.5, 0.5)
    unit: Annotated[Unit, Meta(description="What is never cut apart.")] = "node"
    heal_after_s: Annotated[Seconds | None, Meta(description="None: a `heal` has to end it.")] = None


class Rename(Happening, frozen=True, forbid_unknown_fields=True, tag="rename", kw_only=True):
    """The name of the seeds leads elsewhere from now on (`start.named`)."""

    nodes: Annotated[tuple[Index, ...], Meta(description="To these nodes, by number; to none: nobody knows the name.")]


class Heal(Happening, frozen=True, forbid_unknown_fields=True, tag="heal", kw_only=True):
    """The network is whole again."""


class MassRestart(Happening, frozen=True, forbid_unknown_fields=True, tag="mass-restart", kw_only=True):
    """Everything loses power at once, and comes back after `down_s`, spread over `spread_s`."""

    down_s: Annotated[Seconds, Meta(description="How long all are off.")] = 5.0
    spread_s: Annotated[Seconds, Meta(description="They come back within so long.")] = 2.0


class RollingRestart(Happening, frozen=True, forbid_unknown_fields=True, tag="rolling-restart", kw_only=True):
    """Node after node is restarted in order, `batch` at once, each down for `down_s`, the next ones `pause_s` later."""

    batch: Annotated[Count, Meta(description="How many at once.")] = 1
    down_s: Annotated[Seconds, Meta(description="How long each is down.")] = 1.0
    pause_s: Annotated[Seconds, Meta(description="From one batch to the next.")] = 3.0


class LyingDisk(Hitting, frozen=True, forbid_unknown_fields=True, tag="lying-disk", kw_only=True):
    """From now on disks confirm what they throw away. The checks must catch it."""


class BitRot(Hitting, frozen=True, forbid_unknown_fields=True, tag="bit-rot", kw_only=True):
    """Machines lose power; when they are back, a value on each of their disks is another one."""

    restart_after_s: Annotated[Seconds, Meta(description="How long the machine is off.")] = 1.0


class FullDisk(Hitting, frozen=True, forbid_unknown_fields=True, tag="full-disk", kw_only=True):
    """Disks have no space for `lasts_s`: every commit fails."""

    lasts_s: Lasts = 30.0


class SlowDisk(Hitting, frozen=True, forbid_unknown_fields=True, tag="slow-disk", kw_only=True):
    """A commit takes as long as `commit` draws, for `lasts_s`."""

    commit: Annotated[Law, Meta(description="How long a commit takes.")]
    lasts_s: Lasts = 30.0


class Rollback(Hitting, frozen=True, forbid_unknown_fields=True, tag="rollback", kw_only=True):
    """Disks go back to what they held at `at_s`: `after_s` later the machine stops, and comes back with that after `down_s`."""

    after_s: Annotated[Seconds, Meta(description="How far it goes back.")] = 20.0
    down_s: Annotated[Seconds, Meta(description="How long the machine is off.")] = 2.0


class CopiedDisk(Hitting, frozen=True, forbid_unknown_fields=True, tag="copied-disk", kw_only=True):
    """A second machine starts from a copy of a disk, under the same name and key at another address, and runs for `lasts_s`.

    Of the two one says that it was copied and stands back (DESIGN §4); so the original is started again when the copy is gone.
    """

    lasts_s: Lasts = 30.0


class ClockJump(Hitting, frozen=True, forbid_unknown_fields=True, tag="clock-jump", kw_only=True):
    """Wall clocks are set by `by_s`, forward or back. A process reads its wall clock only at its start, as the runtime does."""

    by_s: Annotated[SignedSeconds, Meta(description="Below 0: back.")]
    restart: Annotated[bool, Meta(description="Whether the process starts again, and so finds out.")] = True


class Loss(Hitting, frozen=True, forbid_unknown_fields=True, tag="loss", kw_only=True):
    """Traffic of some nodes is lost: one way or both, of datagrams or streams or both, all the time or on and off."""

    lasts_s: Lasts = 60.0
    loss: Annotated[Share, Meta(description="1: a cut.")] = 1.0
    direction: Annotated[Direction, Meta(description="Into the nodes, out of them, or both.")] = "both"
    plane: Annotated[Plane, Meta(description="Which traffic.")] = "all"
    towards: Annotated[tuple[Index, ...] | None, Meta(description="Only to and from these; None: all.")] = None
    on_s: Annotated[Span | None, Meta(description="Flip-flop: so long on, then `off_s` off, again and again.")] = None
    off_s: Annotated[Span, Meta(description="Of the flip-flop.")] = 20.0


class ResetStreams(Hitting, frozen=True, forbid_unknown_fields=True, tag="reset-streams", kw_only=True):
    """All streams of some nodes break at once; new ones can be opened."""


class Slow(Hitting, frozen=True, forbid_unknown_fields=True, tag="slow", kw_only=True):
    """Machines stand still and go on, again and again, for `lasts_s` (Lifeguard §5.1's block D, run I).

    `gate`: before each send and after each receive, while timers go on. `freeze`: the whole process, as by SIGSTOP. `block`:
    each thread that sends or receives, while clocks of suspicions go on, as memberlist's. A machine that is slow already is
    left as it is.
    """

    blocked: Annotated[Law, Meta(description="How long a machine stands still.")]
    running: Annotated[Law | None, Meta(description="How long it runs in between; None: it stands still once.")] = None
    mode: Annotated[Literal["gate", "freeze", "block"], Meta(description="What stands still.")] = "gate"
    lasts_s: Lasts = 60.0
    stagger_s: Annotated[Seconds, Meta(description="Each begins up to so much later, by lot; 0: all together.")] = 0.0


class Throttle(Hitting, frozen=True, forbid_unknown_fields=True, tag="throttle", kw_only=True):
    """A machine has a share of a processor: each event costs `event_s` / `cpu_share`, and the others queue up."""

    event_s: Annotated[Span, Meta(description="What an event costs on a whole processor.")] = 0.0002
    cpu_share: Annotated[
        Annotated[float, Meta(gt=0.0, le=1.0)], Meta(description="The machine's share of a processor.")
    ] = 0.05
    lasts_s: Lasts = 60.0


class Churn(Hitting, frozen=True, forbid_unknown_fields=True, tag="churn", kw_only=True):
    """Nodes come and go for `lasts_s`; then all of them come back.

    Each stays for a session. Then it is away for an absence; or, with `arrivals_per_s`, comebacks are a Poisson process.
    """

    sessions: Annotated[Law, Meta(description="How long a node is up.")]
    absences: Annotated[Law | None, Meta(description="How long it is down.")] = None
    arrivals_per_s: Annotated[Rate | None, Meta(description="Comebacks in all, of whoever is down, by lot.")] = None
    lost_disk: Annotated[bool, Meta(description="Whether a comeback is a new machine under the old name.")] = False
    silent: Annotated[bool, Meta(description="As of a crash.")] = True
    lasts_s: Lasts = 120.0


class ChurnTrace(Happening, frozen=True, forbid_unknown_fields=True, tag="churn-trace", kw_only=True):
    """Nodes come and go as a file says: lines `time,node,up` or `time,node,down`, times counted from `at_s`."""

    file: Annotated[str, Meta(description="Its path, from the scenario's own folder.")]
    lasts_s: Annotated[Seconds, Meta(description="Lines later than this are an error; then all come back.")]
    silent: Annotated[bool, Meta(description="As of a crash.")] = True


HittingFault = (
    Crash
    | BitRot
    | LyingDisk
    | FullDisk
    | SlowDisk
    | Rollback
    | CopiedDisk
    | ClockJump
    | Loss
    | ResetStreams
    | Slow
    | Throttle
    | Churn
)
Fault = HittingFault | Restart | Partition | Rename | Heal | MassRestart | RollingRestart | ChurnTrace
RESTART_S = 1.0  # A process that starts again at once is away for so long.


def end_of(fault: Fault, nodes: int) -> float:
    """When a fault is over at the latest in a mesh of so many nodes, as far as it says so itself."""
    latest = fault.at_s + fault.within_s
    match fault:
        case BitRot(restart_after_s=after) | Crash(restart_after_s=after) | Partition(heal_after_s=after):
            return latest + (after or 0.0)
        case MassRestart(down_s=down_s, spread_s=spread_s):
            return latest + down_s + spread_s
        case RollingRestart(batch=batch, down_s=down_s, pause_s=pause_s):
            return latest + ceil(nodes / batch) * pause_s + down_s
        case Rollback(after_s=after_s, down_s=down_s):
            return latest + after_s + down_s
        case Restart(spread_s=spread_s):
            return latest + spread_s
        case Slow(lasts_s=lasts_s, stagger_s=stagger_s):
            return latest + lasts_s + stagger_s
        case FullDisk() | SlowDisk() | Loss() | Throttle() | Churn() | ChurnTrace():
            return latest + fault.lasts_s
        case ClockJump():
            return latest + RESTART_S
        case CopiedDisk(lasts_s=lasts_s):
            return latest + lasts_s + RESTART_S
        case Heal() | Rename() | LyingDisk() | ResetStreams():
            return latest


def most_hit(fault: Fault, nodes: int) -> int:
    """How many nodes a fault asks for, where it takes them down for good or for a while; 0 where all may be hit."""
    if not isinstance(fault, BitRot | Crash | LyingDisk | Rollback) or fault.unit != "node":
        return 0
    if fault.nodes is not None:
        return len(fault.nodes)
    return fault.count if fault.share is None else round(fault.share * nodes)
