"""Forty writers and what each has written: a ledger large enough to be compared by sums.

Invariant: everything is a function of names and numbers.
"""

from collections.abc import Sequence

from mesh.crdt.batch import Batch
from mesh.ids import RecordId
from mesh.messages import Batches, Message
from mesh.wire import encode_frame
from tests.crdt.site import Pen, put
from tests.gossip.sides import Side, Spoken

RECORD = RecordId("unit", "BTF/DIPOLE/1")
NAMES = [f"w{number}" for number in range(40)]
PENS = {name: Pen(name) for name in NAMES}
LOG = {name: [pen.next(put(RECORD, name, number)) for number in range(60)] for name, pen in PENS.items()}


def give(side: Side, name: str, start: int, end: int) -> None:
    """A writer's batches, from number `start` to before `end`, reach a peer in some other way."""
    side.site.merge(*LOG[name][start:end], certificates=[name])


def peers(shared: int, mine: Sequence[str] = (), yours: Sequence[str] = ()) -> tuple[Side, Side]:
    """Two peers that have the first `shared` batches of all writers in common, and the next ten of some of them apart."""
    one, two = Side("a"), Side("b")
    for name in NAMES:
        for side, more in ((one, mine), (two, yours)):
            give(side, name, 0, shared + (10 if name in more else 0))
    return one, two


def kinds(spoken: Spoken) -> list[type[Message]]:
    """What was said, without the boards, of which there are none here."""
    found = [type(effect.message) for _, effect in spoken]
    return [kind for kind in found if kind.__name__ not in ("Versions", "VersionSums")]


def size(spoken: Spoken) -> int:
    return sum(len(encode_frame(effect.message)) for _, effect in spoken)


def sent(spoken: Spoken) -> list[Batch]:
    return [batch for _, said in spoken if isinstance(said.message, Batches) for batch in said.message.batches]
