"""The owner's side of a board: what changed is published, what stays the same is not."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.crdt.publisher import Publisher, read_item
from mesh.ids import Boot
from tests.crdt.site import MESH
from tests.gossip.circle import node

said = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from([None, 1, 2])), max_size=20)


def publisher() -> Publisher:
    return Publisher(MESH, node("ada"), Boot(1, 1), lambda body: b"", 0.0)


@given(said)
def test_what_deltas_tell_together_is_what_was_said_last(said: list[tuple[str, int | None]]) -> None:
    core, shown = publisher(), {}
    for at, (topic, value) in enumerate(said):
        core.publish(topic, value, float(at))
        for delta, _ in [flushed] if (flushed := core.flush(float(at))) is not None else []:
            shown = {} if delta.start == 0 else shown
            shown.update({item.topic: read_item(item) for item in delta.items})
    last = dict(said)
    assert {topic: value for topic, value in shown.items() if value is not None} == {
        topic: value for topic, value in last.items() if value is not None
    }


def test_the_same_value_again_is_no_news() -> None:
    core = publisher()
    for value in (3, 3):
        core.publish("node", value, 0.0)
    assert core.flush(0.0) is not None
    core.publish("node", 3, 5.0)
    assert core.deadline() == float("inf")
