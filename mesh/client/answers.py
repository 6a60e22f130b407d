"""Answers as this client reads them: what a later peer adds is passed over.

Invariant: these are values of their own; the server's shapes may grow without breaking a client.
"""

from msgspec import Struct

Value = dict[str, object]


class Changed(Struct, frozen=True):
    """Who changed a record last, and when (seconds since 1970)."""

    author: str
    at: float
    dot: str = ""


class ConflictValue(Struct, frozen=True):
    """One of the concurrent values of a field."""

    value: object
    author: str
    at: float
    dot: str = ""
    cleared: bool = False
    shown: bool = False


class Conflict(Struct, frozen=True):
    """A field that was changed in different ways at the same time. `policy` chose what is shown; `withheld`: nothing is."""

    field: str
    values: list[ConflictValue]
    policy: str = ""
    withheld: bool = False
    mark: str = ""
    version: str = ""


class Record(Struct, frozen=True):
    """One record. `token` is empty for records of a page, whose token stands in the page."""

    collection: str
    key: str
    value: Value
    conflicts: list[Conflict]
    changed: Changed
    token: str = ""
    buried: bool = False
    version: str = ""


class Page(Struct, frozen=True):
    """Some records in order of their keys; `next` continues, None is the end."""

    items: list[Record]
    next: str | None
    token: str


class Row(Struct, frozen=True):
    """One topic of one owner's board, with what is enabled, healthy and reachable."""

    topic: str
    owner: str
    reachable: bool
    standing: str
    at: float
    age_s: float
    value: object
    owner_node: str = ""
    enabled: bool | None = None
    desired: str | None = None
    healthy: bool | None = None


class Event(Struct, frozen=True):
    """One event of a watch. `type` is RESET, SNAPSHOT, SYNC, CREATE, UPDATE, REMOVE, BOOKMARK or CLOSED."""

    watch: int
    type: str
    key: str = ""
    value: object = None
    owner: str = ""
    changed: list[str] = []
    author: str = ""
    reason: str = ""
    dots: list[str] = []
    token: str = ""


class Version(Struct, frozen=True):
    """One live change of a field (or bury of the record), and the peer that it was made at."""

    field: str
    kind: str
    value: object
    author: str
    at: float
    dot: str
    peer: str = ""
    shown: bool = False


class FieldConflict(Struct, frozen=True):
    """A field in conflict: its values, the shown one first; `version` stands for exactly these."""

    field: str
    values: list[Version]
    policy: str = ""
    withheld: bool = False
    mark: str = ""
    version: str = ""


class Unsettled(Struct, frozen=True):
    """A record with something to settle. `late`: edits made while it was being buried, by people who did not know."""

    collection: str
    key: str
    conflicts: list[FieldConflict] = []
    late: list[Version] = []
    buries: list[Version] = []


class UnsettledPage(Struct, frozen=True):
    """Some records with something to settle; `next` continues, None is the end."""

    items: list[Unsettled]
    next: str | None
    token: str = ""


class PastChange(Struct, frozen=True):
    """One change of a record. `kind` is put, clear, bury or restore; `replaced` are the dots that it was made over."""

    field: str
    kind: str
    value: object
    author: str
    at: float
    dot: str
    batch: str
    reason: str = ""
    intent: str = ""
    writer: str = ""
    peer: str = ""
    replaced: list[str] = []
    live: bool = True
    batch_standing: str = ""
    revoked: str = ""  # Why it has no effect any more, where an admin has ended its writer before it.


class History(Struct, frozen=True):
    """The changes of a record, oldest first. `truncated`: there are older ones, behind the cursor `next`; `total`: all of them."""

    items: list[PastChange]
    truncated: bool = False
    next: str | None = None
    total: int = 0
    token: str = ""


class BlameLine(Struct, frozen=True):
    """Who gave a field its shown value."""

    field: str
    value: object
    author: str
    at: float
    dot: str
    batch: str
    reason: str = ""
    peer: str = ""
    conflict: bool = False


class EndSaid(Struct, frozen=True):
    """The end that took a batch: which admin signed it, why and when; `number` is the last that stays."""

    writer: str
    number: int
    author: str
    reason: str
    at: float


class RevokedLine(Struct, frozen=True):
    """The newest change of a field that an end took."""

    field: str
    kind: str
    value: object
    author: str
    at: float
    dot: str
    batch: str
    reason: str = ""
    peer: str = ""
    end: EndSaid | None = None


class Blame(Struct, frozen=True):
    """The shown fields of a record; of a buried one those that a restore would show. `revoked`: what ends took of it."""

    items: list[BlameLine]
    revoked: list[RevokedLine] = []
    buried: bool = False
    token: str = ""


class RecordThen(Struct, frozen=True):
    """A record as it was. `standing` is shown, buried or none."""

    collection: str
    key: str
    standing: str
    value: Value
    conflicts: list[Conflict]
    changed: Changed | None
    token: str


class FieldDiff(Struct, frozen=True):
    """One field that differs. `kind` is added, removed or changed."""

    field: str
    kind: str
    a: object
    b: object


class RecordDiff(Struct, frozen=True):
    """A record at two moments, and the fields that differ."""

    a: RecordThen
    b: RecordThen
    fields: list[FieldDiff]


class PolicyRow(Struct, frozen=True):
    """One field policy; one that is built in has no name."""

    name: str
    rule: str
    collection: str = "*"
    prefix: str = ""
    field: str = "*"


class PolicyExplained(Struct, frozen=True):
    """What decides over a field: the first of `policies`."""

    collection: str
    key: str
    field: str
    policies: list[PolicyRow]
    standing: str
    owner: str = ""
    mark: str = ""
    version: str = ""
    values: list[Version] = []


class Holder(Struct, frozen=True):
    """A node that can be expected to have what is waited for."""

    name: str
    reachable: bool = False


class Need(Struct, frozen=True):
    """The batch that is waited for."""

    writer: str
    number: int
    peer: str = ""


class HeldWriter(Struct, frozen=True):
    """A writer whose batches `number` to `last` are kept and not applied, and why."""

    writer: str
    peer: str
    number: int
    last: int
    batches: int
    bytes: int
    reason: str
    since: float | None = None
    made_at: float | None = None
    author: str = ""
    needs: Need | None = None
    may_have: list[Holder] = []


class Held(Struct, frozen=True):
    """All writers that are held up at a peer, and the use of its quota."""

    items: list[HeldWriter]
    batches: int
    bytes: int
    batches_max: int = 0
    bytes_max: int = 0
    per_writer_max: int = 0
    token: str = ""


class VoidBatch(Struct, frozen=True):
    """A batch without effect, and the rule that it broke."""

    writer: str
    peer: str
    number: int
    batch: str
    reason: str
    author: str
    at: float
    said: str = ""
    records: list[str] = []


class VoidPage(Struct, frozen=True):
    """Some void batches; `next` continues, None is the end."""

    items: list[VoidBatch]
    next: str | None
    token: str = ""


class Piece(Struct, frozen=True):
    """A change as one line of an undo."""

    kind: str
    value: object
    author: str
    at: float
    dot: str = ""


class UndoLine(Struct, frozen=True):
    """A field (or with field "" the record) that is taken back: `undone` goes, `does` is done, and `back` comes back."""

    collection: str
    key: str
    field: str
    does: str
    value: object
    undone: Piece
    back: Piece | None = None
    lossy: bool = False


class KeptLine(Struct, frozen=True):
    """What stays, and why; `by` is the later work that stands in the way."""

    collection: str
    key: str
    field: str
    reason: str
    undone: Piece
    by: Piece | None = None


class Undo(Struct, frozen=True):
    """What an undo changed (in a preview: would change) and kept. `state` is preview, done, or broken off (`fault` says why)."""

    state: str
    intent: str
    since: float
    until: float
    records: int
    changes: int
    kept: int
    items: list[UndoLine]
    kept_items: list[KeptLine]
    batches: list[str] = []
    fault: str = ""
    token: str = ""


class Proof(Struct, frozen=True):
    """A proof as a text, with so many values in it and so many later batches; `cut`: not all of those fitted."""

    proof: str
    values: int = 1
    chain: int = 0
    cut: bool = False
    token: str = ""
