"""What a node says about its mesh, as rows: the API, the page and the command line show the same ones.

Invariant: what is enabled, what is healthy and what is reachable are three fields, never one.
"""

from msgspec import Struct

from mesh.runtime.meter import Quantiles

STORAGE_TOPIC = "storage"  # Of a node's own board, while its disk takes no writes.
COPY_TOPIC = "copy"  # Of a node's own board, once a copy of its disk has run beside it.


class MemberRow(Struct, frozen=True):
    """One member as this node sees it. `standing` is alive, suspect, down, left or ended; `since` seconds since 1970.

    `degraded` is empty, or tells what is wrong with a member that is here: `datagrams` or `streams` fail between this node and it,
    or it is `unsteady`: it is silent again and again, and comes back each time. `conflict` is empty, or tells who has the same name
    or address.
    `storage` is empty, or says that the member's disk is `read-only`, `failing` or `damaged`, as last heard. `copied` is empty, or
    says where a node runs, or ran, on a copy of its disk; at that node itself, where the one is for which it stands back.
    """

    node: str
    name: str
    address: str
    api: str
    standing: str
    since: float
    boot: int
    me: bool
    accuser: str | None
    storage: str = ""
    degraded: str = ""
    conflict: str = ""
    copied: str = ""


class EvidenceRow(Struct, frozen=True):
    """At the moment `at` (seconds since 1970) this node noticed `said` about the member, by way of the members `by`.

    `times`: so often in a row, the last time at `until`.
    """

    at: float
    said: str
    by: list[str]
    until: float = 0.0
    times: int = 1


class Why(Struct, frozen=True):
    """How a member stands here, and what led to it, oldest first.

    `rtt_ms` is its smoothed round trip, None where it never answered a probe of this node; `health` is this node's own score: 0 is
    good, and each point makes it trust its own probes less. `silent`: it does not answer this node's own probes, whatever others
    say; `heard`: its own probes arrive here all the same, so what this node sends is lost on the way.
    """

    member: MemberRow
    rtt_ms: float | None
    health: int
    items: list[EvidenceRow]
    silent: bool = False
    heard: bool = False


class ReachRow(Struct, frozen=True):
    """Whom a member that is here reaches, as it says itself: names with ms, a power of two, within which their answers come.

    `silent` do not answer it; of those `heard` are the ones whose own probes arrive there. To `unstreamed` it can't open a stream.
    `said`: whether it has said anything yet.
    """

    name: str
    said: bool
    reached: dict[str, int] = {}
    silent: list[str] = []
    heard: list[str] = []
    unstreamed: list[str] = []


class PathFault(Struct, frozen=True):
    """What is wrong between two members that are here, as both of them see it.

    `how` is "one-way": what `one` sends does not arrive at `other`, and what `other` sends arrives; "both-ways": nothing arrives
    at either; "unanswered": `one` has no answer from `other`, and what that says does not explain it; "streams": `one` can't open a
    stream to `other`, and datagrams pass. Others may reach both: then nobody is held down.
    """

    one: str
    other: str
    how: str


class Reaching(Struct, frozen=True):
    """Who reaches whom. `items`: members by name; of more than 64 only those with a fault, or the one that was asked for.

    `members` are here, and `said` of them have said whom they reach.
    """

    members: int
    said: int
    items: list[ReachRow]
    faults: list[PathFault]


class StateRow(Struct, frozen=True):
    """One topic of one owner's board, as last known.

    `reachable` is the roster's word on the owner; `age_s` is the time since this node last heard the value change. A value whose
    owner cannot be reached is never current.
    """

    topic: str
    owner: str
    owner_node: str
    reachable: bool
    standing: str
    at: float
    age_s: float
    value: object


class CatchUp(Struct, frozen=True):
    """How far a node is that takes in much at once: batches on its disk, and those that its source has told of."""

    have: int
    wanted: int


class LoopHealth(Struct, frozen=True):
    """How long the loop was held since the start, in ms: by a step of a task, by a turn, by the garbage collector.

    A p50 or p99 is an upper limit, as wide as the buckets of `/metrics`.
    """

    step: Quantiles = Quantiles(0.0, 0.0, 0.0)
    turn: Quantiles = Quantiles(0.0, 0.0, 0.0)
    gc: Quantiles = Quantiles(0.0, 0.0, 0.0)


class Health(Struct, frozen=True):
    """How this node is. `fingerprint` and `token` are of one committed state; `catching_up` is None while little is missing.

    `storage` is ok, or says what is wrong with the disk. `readers` have the ledger's file open, the oldest of them
    `reader_lag` commits behind; `damaged` rows are asked back from peers; `scrubs` parts of the file were read and compared.
    `copied` is empty, or says that this node's disk was copied, and which of the two stands back.
    """

    name: str
    node: str
    mesh: str
    version: str
    fingerprint: str
    token: str
    writers: int
    members: int
    reachable: int
    uptime_s: float
    storage: str
    held: int
    catching_up: CatchUp | None = None
    loop: LoopHealth = LoopHealth()
    readers: int = 0
    reader_lag: int = 0
    damaged: int = 0
    scrubs: int = 0
    copied: str = ""


class Receipt(Struct, frozen=True):
    """A write's answer: durable at this peer. `batch` is writer.number, or None where nothing had to change.

    `dot` is that of its first change: it means this very batch also where its writer forks, and this very write also where the
    batch holds others of the same author.
    """

    batch: str | None
    token: str
    changed: bool
    dot: str | None = None
