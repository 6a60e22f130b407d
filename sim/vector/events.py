"""One item on its way through a graph, event by event, compiled.

Invariant: events happen in the order of their moments, and of equal moments in an order that is the same for one seed. The rules
are those of `mesh/gossip/spread.py` and `wanted.py` for a batch that fits a datagram. Eager links are as they are: what an item
teaches (prunes, grafts) counts from the next one on.
"""

import numpy as np
from msgspec import Struct
from numba import njit

from mesh.gossip.lanes import PACES, Lane
from mesh.gossip.wanted import ASKED_MAX, FIRST_WAIT_S, MARGIN_S
from sim.vector.graph import Flags, Floats, Graph, Ints, Ways

MARKS_S = PACES[Lane.MARKS].window_s
KINDS = 8  # An event's number is its edge's or node's, times so many, and its kind:
ITEM, HAVE, WANT, STORED, TELL, ASK = range(6)
ON_EDGES = 3  # The first three arrive at the end of an edge, the others happen at a node.
MARKS, ASKS = 0, 1

Net = tuple[Ints, Ints, Ints, Flags, Floats]
"""start, to, back, eager, rtt_s of a graph"""
Laws = tuple[Floats, float, float, float, float, float]
"""least_s of each edge; spread, jitter_s, loss, store_s, store_jitter_s"""
State = tuple[Floats, Ints, Ints, Flags, Ints, Flags, Flags, Ints]
"""shown_s, hops, copies, met, asked of each node; whether an edge's end has the item, and told of it; how many marks and asks"""
World = tuple[Net, Laws, State, Floats, Ints]
"""and the heap: moments and events"""


class Rules(Struct, frozen=True):
    """What befalls datagrams and disks: the share that is lost, and what a commit takes."""

    loss: float = 0.0
    store_s: float = 0.001
    store_jitter_s: float = 0.001


class Arrivals(Struct, frozen=True):
    """Per node: when it showed the item (seconds, NaN: never), over how many hops it came first, and how many copies came."""

    shown_s: Floats
    hops: Ints
    copies: Ints
    marks: int
    asks: int


@njit(cache=True)
def _push(world: World, size: int, when: float, event: int) -> int:
    """Put an event into the heap of `size`. Returns the new size."""
    times, events = world[3], world[4]
    place = size
    while place > 0:
        above = (place - 1) >> 1
        if times[above] <= when:
            break
        times[place], events[place] = times[above], events[above]
        place = above
    times[place], events[place] = when, event
    return size + 1


@njit(cache=True)
def _pop(world: World, size: int) -> int:
    """Take the first event out of the heap of `size`: it then stands behind the end. Returns the new size."""
    times, events = world[3], world[4]
    first_time, first = times[0], events[0]
    size -= 1
    when, event, place = times[size], events[size], 0
    while True:
        below = 2 * place + 1
        if below >= size:
            break
        if below + 1 < size and times[below + 1] < times[below]:
            below += 1
        if when <= times[below]:
            break
        times[place], events[place] = times[below], events[below]
        place = below
    times[place], events[place] = when, event
    times[size], events[size] = first_time, first
    return size


@njit(cache=True)
def _send(world: World, size: int, now: float, edge: int, kind: int) -> int:
    """Send a datagram along an edge; it may get lost."""
    least_s, spread, jitter_s, loss, _, _ = world[1]
    if np.random.random() < loss:
        return size
    took = least_s[edge] * (1.0 + spread * np.random.random())
    if jitter_s > 0.0:
        took -= jitter_s * np.log(1.0 - np.random.random())
    return _push(world, size, now + took, edge * KINDS + kind)


@njit(cache=True)
def _on_item(world: World, size: int, now: float, edge: int) -> int:
    """A copy of the item arrives at the end of an edge."""
    start, to, back, _, _ = world[0]
    _, hops, copies, met, _, has, _, _ = world[2]
    node = to[edge]
    copies[node] += 1
    if back[edge] >= 0:
        has[back[edge]] = True
    if met[node]:
        return size
    met[node] = True
    hops[node] = hops[np.searchsorted(start, edge, side="right") - 1] + 1
    took = world[1][4] - world[1][5] * np.log(1.0 - np.random.random())
    return _push(world, size, now + took, node * KINDS + STORED)


@njit(cache=True)
def _on_stored(world: World, size: int, now: float, node: int) -> int:
    """The item is durable at a node: it shows it, and passes it on."""
    start, _, _, eager, _ = world[0]
    world[2][0][node] = now
    for edge in range(start[node], start[node + 1]):
        if eager[edge] and not world[2][5][edge]:
            size = _send(world, size, now, edge, ITEM)
    return _push(world, size, now + MARKS_S, node * KINDS + TELL)


@njit(cache=True)
def _on_tell(world: World, size: int, now: float, node: int) -> int:
    """A node tells along lazy links that it has the item."""
    start, _, _, eager, _ = world[0]
    for edge in range(start[node], start[node + 1]):
        if not eager[edge] and not world[2][5][edge]:
            world[2][7][MARKS] += 1
            size = _send(world, size, now, edge, HAVE)
    return size


@njit(cache=True)
def _on_have(world: World, size: int, now: float, edge: int) -> int:
    """A node hears of somebody who has the item; the first time it lacks it, it begins to wait for it."""
    start, to, back, _, rtt_s = world[0]
    _, _, _, met, _, has, told, _ = world[2]
    node, own = to[edge], back[edge]
    if own < 0:
        return size
    if met[node]:
        has[own] = True
        return size
    waits = np.any(told[start[node] : start[node + 1]])
    told[own] = True
    return size if waits else _push(world, size, now + FIRST_WAIT_S + rtt_s[own] / 2, node * KINDS + ASK)


@njit(cache=True)
def _on_ask(world: World, size: int, now: float, node: int) -> int:
    """A node that still lacks the item asks for it: by turns those who told of it, the nearest first."""
    start, _, _, _, rtt_s = world[0]
    _, _, _, met, asked, _, told, tally = world[2]
    tellers = start[node] + np.flatnonzero(told[start[node] : start[node + 1]])
    if met[node] or asked[node] >= ASKED_MAX * len(tellers):
        return size
    nearest = np.argsort(rtt_s[tellers], kind="mergesort")
    edge = tellers[nearest[asked[node] % len(tellers)]]
    asked[node] += 1
    tally[ASKS] += 1
    size = _send(world, size, now, edge, WANT)
    return _push(world, size, now + rtt_s[edge] + MARGIN_S, node * KINDS + ASK)


@njit(cache=True)
def _on_want(world: World, size: int, now: float, edge: int) -> int:
    """A node is asked for the item and gives it."""
    own = world[0][2][edge]
    return _send(world, size, now, own, ITEM) if own >= 0 else size


@njit(cache=True)
def _run(world: World, origin: int, seed: int) -> None:
    np.random.seed(seed)
    world[2][3][origin] = True
    size = _push(world, 0, 0.0, origin * KINDS + STORED)
    while size > 0:
        size = _pop(world, size)
        now, event = world[3][size], world[4][size]
        kind, about = event % KINDS, event // KINDS
        if kind == ITEM:
            size = _on_item(world, size, now, about)
        elif kind == STORED:
            size = _on_stored(world, size, now, about)
        elif kind == TELL:
            size = _on_tell(world, size, now, about)
        elif kind == HAVE:
            size = _on_have(world, size, now, about)
        elif kind == ASK:
            size = _on_ask(world, size, now, about)
        else:
            size = _on_want(world, size, now, about)


def spread_one(graph: Graph, ways: Ways, rules: Rules, origin: int, seed: int) -> Arrivals:
    """Let node `origin` say something new at the moment 0, when it has stored it, and follow it until nothing happens any more."""
    nodes, edges = graph.nodes, len(graph.to)
    shown_s, hops, copies = np.full(nodes, np.nan), np.zeros(nodes, np.int64), np.zeros(nodes, np.int64)
    met, asked, tally = np.zeros(nodes, np.bool_), np.zeros(nodes, np.int64), np.zeros(2, np.int64)
    has, told = np.zeros(edges, np.bool_), np.zeros(edges, np.bool_)
    state = (shown_s, hops, copies, met, asked, has, told, tally)
    net = (graph.start, graph.to, graph.back, graph.eager, graph.rtt_s)
    laws = (ways.least_s, ways.spread, ways.jitter_s, rules.loss, rules.store_s, rules.store_jitter_s)
    room = 4 * (edges + nodes)  # Each edge carries a few datagrams, and each node waits for a few moments.
    _run((net, laws, state, np.empty(room), np.empty(room, np.int64)), origin, seed)
    return Arrivals(shown_s, hops, copies, int(tally[MARKS]), int(tally[ASKS]))
