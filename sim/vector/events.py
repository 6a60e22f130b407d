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
from sim.vector.graph import Flags, Floats, Graph, Ints, Origin, Ways

MARKS_S = PACES[Lane.MARKS].window_s
KINDS = 8  # An event's number is its edge's or node's, times so many, and its kind:
ITEM, HAVE, WANT, STORED, TELL, ASK, SEED = range(7)
ON_EDGES = 3  # The first three arrive at the end of an edge, the others happen at a node.
MARKS, ASKS = 0, 1

Net = tuple[Ints, Ints, Ints, Flags, Floats]
"""start, to, back, eager, rtt_s of a graph"""
Laws = tuple[Floats, float, float, float, float, float]
"""least_s of each edge; spread, jitter_s, loss, store_s, store_jitter_s"""
State = tuple[Floats, Ints, Ints, Flags, Floats, Floats, Flags, Flags, Ints, Ints]
"""shown_s, hops, copies, met of each node, when it asks next and how far the last one asked is; whether an edge's end has the item,
has told of it, and how often it was asked; how many marks and asks"""
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
    if back[edge] >= 0:
        world[2][6][back[edge]] = True
    sender = np.searchsorted(start, edge, side="right") - 1
    return _on_copy(world, size, now, to[edge], world[2][1][sender] + 1)


@njit(cache=True)
def _on_copy(world: World, size: int, now: float, node: int, hop: int) -> int:
    """A copy of the item arrives at a node, over so many hops."""
    _, hops, copies, met, _, _, _, _, _, _ = world[2]
    copies[node] += 1
    if met[node]:
        return size
    met[node] = True
    hops[node] = hop
    took = world[1][4] - world[1][5] * np.log(1.0 - np.random.random())
    return _push(world, size, now + took, node * KINDS + STORED)


@njit(cache=True)
def _on_stored(world: World, size: int, now: float, node: int) -> int:
    """The item is durable at a node: it shows it, and passes it on."""
    start, _, _, eager, _ = world[0]
    world[2][0][node] = now
    for edge in range(start[node], start[node + 1]):
        if eager[edge] and not world[2][6][edge]:
            size = _send(world, size, now, edge, ITEM)
    return _push(world, size, now + MARKS_S, node * KINDS + TELL)


@njit(cache=True)
def _on_tell(world: World, size: int, now: float, node: int) -> int:
    """A node tells along all links where it knows of no other copy that it has the item."""
    start = world[0][0]
    for edge in range(start[node], start[node + 1]):
        if not world[2][6][edge]:
            world[2][9][MARKS] += 1
            size = _send(world, size, now, edge, HAVE)
    return size


@njit(cache=True)
def _on_have(world: World, size: int, now: float, edge: int) -> int:
    """A node that lacks the item hears of somebody who has it: it begins to wait for it, or asks this one, who is far nearer."""
    start, to, back, _, rtt_s = world[0]
    _, _, _, met, due, asked_s, has, told, _, _ = world[2]
    node, own = to[edge], back[edge]
    if own < 0 or told[own]:
        return size
    if met[node]:
        has[own] = True
        return size
    waits = np.any(told[start[node] : start[node + 1]])
    told[own] = True
    if not waits:
        due[node], asked_s[node] = now + FIRST_WAIT_S, 0.0
    elif rtt_s[own] + MARGIN_S < asked_s[node] and now < due[node]:
        due[node] = now
    else:
        return size
    return _push(world, size, due[node], node * KINDS + ASK)


@njit(cache=True)
def _on_ask(world: World, size: int, now: float, node: int) -> int:
    """A node that still lacks the item asks for it: of those who told of it and were asked least, the nearest."""
    start, _, _, _, rtt_s = world[0]
    _, _, _, met, due, asked_s, _, told, asked, tally = world[2]
    if met[node] or due[node] != now:
        return size
    best = -1
    for edge in range(start[node], start[node + 1]):
        if told[edge] and (best < 0 or (asked[edge], rtt_s[edge]) < (asked[best], rtt_s[best])):
            best = edge
    if asked[best] >= ASKED_MAX:
        told[start[node] : start[node + 1]] = False
        return size
    asked[best] += 1
    tally[ASKS] += 1
    size = _send(world, size, now, best, WANT)
    asked_s[node] = rtt_s[best]
    due[node] = now + rtt_s[best] + MARGIN_S
    return _push(world, size, due[node], node * KINDS + ASK)


@njit(cache=True)
def _on_want(world: World, size: int, now: float, edge: int) -> int:
    """A node is asked for the item and gives it."""
    own = world[0][2][edge]
    return _send(world, size, now, own, ITEM) if own >= 0 else size


@njit(cache=True)
def _sow(world: World, sown: Ints, sown_s: Floats) -> int:
    """The origin gives the item to members drawn by lot. Returns the heap's size."""
    _, spread, jitter_s, loss, _, _ = world[1]
    size = 0
    for number in range(len(sown)):
        if np.random.random() >= loss:
            took = sown_s[number] * (1.0 + spread * np.random.random())
            took -= jitter_s * np.log(1.0 - np.random.random())
            size = _push(world, size, took, sown[number] * KINDS + SEED)
    return size


@njit(cache=True)
def _run(world: World, origin: int, sown: Ints, sown_s: Floats, seed: int) -> None:
    np.random.seed(seed)
    world[2][3][origin] = True
    size = _sow(world, sown, sown_s)
    size = _push(world, size, 0.0, origin * KINDS + STORED)
    while size > 0:
        size = _pop(world, size)
        now, event = world[3][size], world[4][size]
        kind, about = event % KINDS, event // KINDS
        if kind == ITEM:
            size = _on_item(world, size, now, about)
        elif kind == SEED:
            size = _on_copy(world, size, now, about, 1)
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


def spread_one(graph: Graph, ways: Ways, rules: Rules, origin: Origin, seed: int) -> Arrivals:
    """Let a node say something new at the moment 0, when it has stored it, and follow it until nothing happens any more."""
    nodes, edges = graph.nodes, len(graph.to)
    shown_s, hops, copies = np.full(nodes, np.nan), np.zeros(nodes, np.int64), np.zeros(nodes, np.int64)
    met, due, asked_s = np.zeros(nodes, np.bool_), np.full(nodes, np.inf), np.zeros(nodes)
    has, told, asked = np.zeros(edges, np.bool_), np.zeros(edges, np.bool_), np.zeros(edges, np.int64)
    tally = np.zeros(2, np.int64)
    state = (shown_s, hops, copies, met, due, asked_s, has, told, asked, tally)
    net = (graph.start, graph.to, graph.back, graph.eager, graph.rtt_s)
    laws = (ways.least_s, ways.spread, ways.jitter_s, rules.loss, rules.store_s, rules.store_jitter_s)
    room = 6 * (edges + nodes)  # Each edge carries a few datagrams, and each node waits for a few moments.
    world = (net, laws, state, np.empty(room), np.empty(room, np.int64))
    _run(world, origin.node, origin.sown, origin.sown_s, seed)
    return Arrivals(shown_s, hops, copies, int(tally[MARKS]), int(tally[ASKS]))
