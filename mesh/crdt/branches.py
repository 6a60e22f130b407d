"""The batches of a writer as a tree: which line holds a batch, and what lies before it (DESIGN §5, Forks).

Invariant: a batch is known by (writer, number, hash), never by the line that it happens to be stored in; so what is answered here
is the same at every replica that holds the same tree.

A position is writer -> number. Where a writer forked it has one entry for each branch, whose key goes on with the first 8 bytes
of the hash of the branch's batch of that number.
"""

from collections.abc import Mapping
from hashlib import sha256

from msgspec import Struct

from mesh.crdt.batch import OpenBatch, decode_batch, hash_content, reread
from mesh.crdt.keys import batch_key
from mesh.crdt.lines import Context, Line, LineId, has_forks, read_context, read_family
from mesh.crdt.replica import Reader, Table
from mesh.errors import DamagedRow
from mesh.ids import BatchHash, Dot, Head, WriterId

BRANCH_DOMAIN = b"chaos-mesh/branch/1"
LINES_MAX = 64  # Of one writer. A copied disk makes two; a thief with the key may not fill every disk.
WRITER_BYTES = 16

Position = Mapping[WriterId, int]
Spans = dict[LineId, int]
"""How far each line counts: its own batches up to this number."""


class Need(Struct, frozen=True):
    """A batch that another waits for; `hash` is its hash or how that begins."""

    writer: WriterId
    number: int
    hash: bytes


def branch_id(writer: WriterId, first: BatchHash) -> LineId:
    """The name of the branch of `writer` whose first batch is `first` (DESIGN §5)."""
    return LineId(sha256(BRANCH_DOMAIN + writer + first).digest()[:WRITER_BYTES])


class Tree:
    """The lines of all writers, and their log read through one reader."""

    def __init__(self, reader: Reader, context: Context) -> None:
        self._reader = reader
        self._context = context

    def owner(self, line: Line, number: int) -> Line:
        """The line that holds batch `number` of the chain that ends with `line`."""
        while line.branch is not None and number < line.branch.fork:
            line = self._context.lines[line.branch.base]
        return line

    def hash_of(self, line: Line, number: int) -> bytes:
        """The hash of an own batch of `line`; empty where it has none of that number."""
        for head in (line.applied, line.have):
            if head.number == number:
                return head.hash
        row = self._reader.get(Table.BATCHES, batch_key(line.id, number))
        return hash_content(decode_batch(row).content) if row is not None else b""

    def head_at(self, line: Line, number: int) -> Head:
        """Batch `number` of the chain that ends with `line`."""
        return Head(line.have.writer, number, BatchHash(self.hash_of(self.owner(line, number), number)))

    def find(self, writer: WriterId, number: int, wanted: bytes) -> Line | None:
        """The line that holds the batch whose hash begins with `wanted`."""
        for line in self._context.family(writer):
            if line.first <= number <= line.have.number and self.hash_of(line, number).startswith(wanted):
                return line
        return None

    def is_applied(self, need: Need) -> bool:
        """Whether that very batch is applied, or void, or taken by an end: both count as well."""
        if self.is_gone(need.writer, need.number, need.hash):
            return True
        family = self._context.family(need.writer)
        reached = (line for line in family if line.first <= need.number <= line.applied.number)
        return any(self.hash_of(line, need.number).startswith(need.hash) for line in reached)

    def is_gone(self, writer: WriterId, number: int, wanted: bytes) -> bool:
        """Whether nobody needs to wait for that batch: it is not here, and behind an end of its writer.

        Where a writer forked, that may be a batch of a branch that stays; `ending.correct` makes good for it when it comes.
        """
        return self._context.ends.beyond(writer, number) is not None and self.find(writer, number, wanted) is None

    def has_number(self, writer: WriterId, number: int) -> bool:
        """Whether a batch of that number is applied, whichever it is. Cheap, and enough where the writer did not fork."""
        if writer not in self._context.branches:
            line = self._context.lines.get(writer)
            return line is not None and line.applied.number >= number
        return any(line.has_applied and line.applied.number >= number for line in self._context.family(writer))

    def is_forked(self, writer: WriterId) -> bool:
        """Whether more than one branch of the writer is held."""
        return writer in self._context.branches

    def precedes(self, dot: Dot, line: Line) -> bool:
        """Whether the change `dot` of the same writer lies on the chain that `line` is about to go on with."""
        owner = self.owner(line, dot.number)
        return self.hash_of(owner, dot.number).startswith(dot.mark)

    def stamp_of(self, line: Line) -> int:
        """The newest applied stamp on the chain of `line`."""
        if line.branch is None or line.has_applied:
            return line.stamp
        return self.newest_stamp(line, line.first - 1)

    def newest_stamp(self, line: Line, number: int) -> int:
        """The newest stamp of the chain of `line` up to batch `number`."""
        newest = 0
        while number > 0:  # As a rule one step: only a void batch may have a stamp below the one before it.
            line = self.owner(line, number)
            row = self._reader.get(Table.BATCHES, key := batch_key(line.id, number))
            if row is None:
                raise DamagedRow(Table.BATCHES, key, "it is in the context, and not in the log")
            newest = max(newest, reread(decode_batch(row)).stamp)
            if self._reader.get(Table.FATES, batch_key(line.id, number)) is None:
                break
            number -= 1
        return newest

    # ---- positions

    def covers(self, position: Position) -> bool:
        """Whether all that `position` names is applied."""
        return all(self._covers(WriterId(key[:WRITER_BYTES]), key[WRITER_BYTES:], n) for key, n in position.items())

    def _covers(self, writer: WriterId, mark: bytes, number: int) -> bool:
        if number <= 0:
            return True
        if mark:
            return self.is_applied(Need(writer, number, mark))
        family = self._context.family(writer)  # Named before anybody knew of the fork: any branch may be meant.
        far = all(line.applied.number >= min(number, line.have.number) for line in family)
        return far and (self.has_number(writer, number) or self._context.ends.beyond(writer, number) is not None)

    def spans(self, position: Position, *, certain: bool = False) -> Spans:
        """How far each line counts within `position`. `certain`: where any branch may be meant, none counts."""
        spans: Spans = {}
        for key, number in position.items():
            writer, mark = WriterId(key[:WRITER_BYTES]), key[WRITER_BYTES:]
            if mark:
                found = self.find(writer, number, mark)
                meant = [] if found is None else [found]
            else:
                meant = self._meant(writer, certain)
            for line in meant:
                self.extend(spans, line, min(number, line.applied.number) if not certain else number)
            if not meant and not mark:
                spans[writer] = max(spans.get(writer, 0), number)
        return spans

    def _meant(self, writer: WriterId, certain: bool) -> list[Line]:
        family = self._context.family(writer)
        return family if not certain or len(family) == 1 else []

    def extend(self, spans: Spans, line: Line, number: int) -> None:
        """Let the chain of `line` count up to its batch `number`."""
        while True:
            if number >= line.first:
                spans[line.id] = max(spans.get(line.id, 0), number)
            if line.branch is None:
                return
            number = min(number, line.branch.fork - 1)
            line = self._context.lines[line.branch.base]

    def position(self, spans: Spans) -> dict[WriterId, int]:
        """The position that `spans` make up."""
        named: dict[WriterId, int] = {}
        counted = [line for name, n in spans.items() if (line := self._context.lines.get(name)) and n >= line.first]
        inner = [line.leaves for line in counted]
        for line in counted:
            number = spans[line.id]
            if (line.id, number) in inner:
                continue
            writer = line.have.writer
            mark = self.hash_of(line, number)[:8] if self.is_forked(writer) else b""
            named[WriterId(writer + mark)] = number
        return named


def read_tree(reader: Reader) -> Tree:
    """The tree that a replica holds."""
    return Tree(reader, read_context(reader))


def spans_of(reader: Reader, position: Position, *, certain: bool = False) -> Spans:
    """How far each line counts within a position; the position itself where no writer forked."""
    if not has_forks(reader) and all(len(key) == WRITER_BYTES for key in position):
        return dict(position)
    return read_tree(reader).spans(position, certain=certain)


def holds(reader: Reader, head: Head) -> bool:
    """Whether a replica holds exactly this batch."""
    return Tree(reader, Context(read_family(reader, head.writer))).find(head.writer, head.number, head.hash) is not None


def line_of(reader: Reader, dot: Dot) -> LineId:
    """The line that holds the batch of `dot`; its writer where there is none."""
    family = read_family(reader, dot.writer)
    if len(family) <= 1:
        return dot.writer
    found = Tree(reader, Context(family)).find(dot.writer, dot.number, dot.mark)
    return found.id if found is not None else dot.writer


def advance(reader: Reader, position: dict[WriterId, int], opened: OpenBatch) -> bool:
    """Take one more applied batch into a position. False where it was within it already."""
    writer, number = opened.content.writer, opened.content.number
    family = read_family(reader, writer)
    named = {key: position[key] for key in position if key[:WRITER_BYTES] == writer}
    if len(family) <= 1 and list(named) in ([], [writer]):
        if number <= position.get(writer, 0):
            return False
        position[writer] = number
        return True
    tree = Tree(reader, Context(family))
    spans = tree.spans(named, certain=True)
    line = tree.find(writer, number, opened.hash)
    if line is None or number <= spans.get(line.id, 0):
        return False
    tree.extend(spans, line, number)
    for key in named:
        del position[key]
    position.update(tree.position(spans))
    return True
