"""Every order in which batches can arrive, walked as states and not as orders.

Invariant: a state is how many batches of each writer have arrived. All ways into a state are compared byte by byte, so what follows
from it follows from all of them: some hundred steps stand for tens of thousands of orders.
"""

import copy
from collections.abc import Callable
from itertools import product
from random import Random

from mesh.crdt.batch import Batch, open_batch
from mesh.crdt.compose import Bury, Clear, Edit, Put, Restore
from mesh.ids import RecordId, WriterId
from tests.crdt.site import MESH, Site, copy_of, exchange

WRITERS = ("a", "b", "c")
RECORDS = (RecordId("unit", "ONE"), RecordId("unit", "TWO"))
BATCHES_EACH = 4
PULLS_OF_TEN = 4  # So often a writer hears of another before it writes: enough for dependencies and for concurrency.

Chains = dict[WriterId, list[Batch]]
State = tuple[int, ...]


def world(seed: int) -> Chains:
    """Four batches of each of three writers, about two records, by real ledgers that sometimes heard of each other."""
    rng = Random(seed)
    sites = [Site(name) for name in WRITERS]
    turns = sites * BATCHES_EACH
    rng.shuffle(turns)
    for site in turns:
        for other in sites:
            if other is not site and rng.randrange(10) < PULLS_OF_TEN:
                site.pull(other)
        site.write(_edit(rng))
    exchange(sites)
    return chains(sites[0].log())


def forked_world(seed: int) -> Chains:
    """Three batches each of two nodes on copies of one disk, which never hear of each other, and of one that hears of both."""
    rng = Random(seed)
    copies, other = (Site("a"), Site("a")), Site("b")
    turns = [*copies, other] * (BATCHES_EACH - 1)
    rng.shuffle(turns)
    for site in turns:
        for copied in copies:
            if site is other and rng.randrange(10) < PULLS_OF_TEN:
                site.pull(copied)
        site.write(_edit(rng))
    names = (WriterId(b"one"), WriterId(b"copy"), WriterId(b"other"))
    own = (site.ledger.writer for site in (*copies, other))
    logs = (site.log() for site in (*copies, other))
    return {
        name: [batch for batch in log if open_batch(batch, MESH).content.writer == writer]
        for name, writer, log in zip(names, own, logs, strict=True)
    }


def _edit(rng: Random) -> Edit:
    record = rng.choice(RECORDS)
    match rng.randrange(5):
        case 0:
            return Clear(record, "f")
        case 1:
            return Bury(record)
        case 2:
            return Restore(record)
        case _:
            return Put(record, "f", rng.randrange(3))


def chains(batches: list[Batch]) -> Chains:
    """Batches by writer, in order of their numbers."""
    found: Chains = {}
    for opened in sorted((open_batch(batch, MESH) for batch in batches), key=lambda o: (o.head.writer, o.head.number)):
        found.setdefault(opened.head.writer, []).append(opened.batch)
    return found


def living(site: Site) -> Site:
    """The same replica, going on."""
    return copy.deepcopy(site)


def restarted(site: Site) -> Site:
    """The same replica after a restart: its disk alone."""
    other = Site(site.name)
    other.disk = copy_of(site.disk)
    other.open()
    return other


def explore(
    given: Chains,
    branch: Callable[[Site], Site],
    look: Callable[[Site], None],
    see: Callable[[Site], object] = Site.tables,
) -> tuple[Site, int]:
    """Let the batches arrive at a fresh replica in every order; `look` at it in every state, and compare what one can `see`.

    Returns the replica that has all, and how many arrivals were tried. Raises AssertionError where two ways into a state differ.
    """
    queues = list(given.values())
    states = product(*(range(len(queue) + 1) for queue in queues))  # Each comes after all that lead into it.
    reached: dict[State, Site] = {(0,) * len(queues): Site("fresh")}
    seen: dict[State, object] = {}
    tried = 0
    for state in states:
        here = reached.pop(state)
        seen.setdefault(state, see(here))
        look(here)
        for index, queue in enumerate(queues):
            for batch in queue[: state[index]] + queue[state[index] + 1 :]:  # Repeated, or before its turn.
                here.merge(batch)
        assert see(here) == seen[state], f"a batch that is no news changed state {state}"
        for index, queue in enumerate(queues):
            if state[index] == len(queue):
                continue
            tried += 1
            after = branch(here)
            after.merge(queue[state[index]])
            there = (*state[:index], state[index] + 1, *state[index + 1 :])
            assert seen.setdefault(there, see(after)) == see(after), f"two ways into state {there} differ"
            reached.setdefault(there, after)
    return here, tried
