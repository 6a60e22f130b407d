"""What is enabled, what is healthy, what is reachable: board rows joined with what the configuration wants.

Invariant: the three are three fields; none is ever made from another.
"""

import time
from collections.abc import Iterable

from mesh.api.reading import SLICE_S, position_of
from mesh.api.shapes import AskWhy, GetState, ListState, MemberList, Nothing, StateList, StateView
from mesh.crdt.replica import Reader
from mesh.crdt.token import encode_token
from mesh.crdt.view import read_value
from mesh.errors import NotFound
from mesh.ids import RecordId
from mesh.model.unit import Desired
from mesh.runtime.node import Node
from mesh.runtime.rows import Health, StateRow, Why

UNIT_TOPIC = "unit/"
ROWS_AT_ONCE = 20  # Some 0.3 ms.


async def list_state(node: Node, params: ListState) -> StateList:
    """State rows by topic."""
    return await _answer(node, node.state(params.prefix))


async def get_state(node: Node, params: GetState) -> StateList:
    """All owners' rows of one topic. Raises NotFound where nobody ever said anything of it."""
    rows = [row for row in node.state(params.topic) if row.topic == params.topic]
    if not rows:
        raise NotFound(
            f"no member has said anything of {params.topic!r}",
            field="topic",
            todo="list the state, or wait for its host",
        )
    return await _answer(node, rows)


async def list_members(node: Node, params: Nothing) -> MemberList:
    """Every member ever heard of, by name."""
    return MemberList(node.members(), node.token())


async def explain_member(node: Node, params: AskWhy) -> Why:
    """What led to how a member stands here. Raises NotFound."""
    found = node.why(params.member)
    if found is None:
        raise NotFound(
            f"no one member of this mesh is called {params.member!r}",
            field="member",
            todo="give a name that `mesh members` lists, or where two have it the beginning of an identity",
        )
    return found


async def get_health(node: Node, params: Nothing) -> Health:
    """How this node is."""
    return node.health()


def views(reader: Reader, rows: Iterable[StateRow]) -> list[StateView]:
    """Rows with what the configuration wants of them."""
    return [_view(row, desired_of(reader, row.topic)) for row in rows]


def desired_of(reader: Reader, topic: str) -> str | None:
    """The state in which the configuration wants the unit of `topic`; None where it says nothing."""
    if not topic.startswith(UNIT_TOPIC):
        return None
    record = RecordId("unit", topic.removeprefix(UNIT_TOPIC))
    value = read_value(reader, record, "desired")
    return value if isinstance(value, str) else None


async def _answer(node: Node, rows: list[StateRow]) -> StateList:
    """Rows with what is wanted of them, read in slices; the token is of the first one."""
    token, seen = "", list[StateView]()
    while not token or len(seen) < len(rows):
        async with node.reading_turn:
            with node.read() as reader:
                token = token or encode_token(position_of(reader))
                seen += _some_views(reader, rows[len(seen) :])
    return StateList(seen, token)


def _some_views(reader: Reader, rows: list[StateRow]) -> list[StateView]:
    """As many as one slice allows."""
    seen: list[StateView] = []
    end = time.perf_counter() + SLICE_S
    while len(seen) < len(rows) and time.perf_counter() < end:
        seen += views(reader, rows[len(seen) : len(seen) + ROWS_AT_ONCE])
    return seen


def _view(row: StateRow, desired: str | None) -> StateView:
    healthy = row.value.get("healthy") if isinstance(row.value, dict) else None
    return StateView(
        topic=row.topic,
        owner=row.owner,
        owner_node=row.owner_node,
        reachable=row.reachable,
        standing=row.standing,
        at=row.at,
        age_s=row.age_s,
        enabled=None if desired is None else desired != Desired.DEINIT,
        desired=desired,
        healthy=healthy if isinstance(healthy, bool) else None,
        value=row.value,
    )
