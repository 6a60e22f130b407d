"""A trace's hash is that of its lines, and its lines are values in words."""

import io

from mesh.crdt.effects import Emit, NotComposed
from mesh.crdt.events import Stored
from mesh.errors import Refused
from mesh.events import Publish, Tick
from sim.trace import Trace, describe_effect, describe_event


def test_blocks_change_neither_the_hash_nor_the_file() -> None:
    first, second = io.StringIO(), io.StringIO()
    whole, looked_at = Trace(first), Trace(second)
    for number in range(10_000):
        whole.note(number / 7, "n0", "x")
        looked_at.note(number / 7, "n0", "x")
        if number % 100 == 0:
            looked_at.digest()
    assert whole.digest() == looked_at.digest()
    assert first.getvalue() == second.getvalue()
    assert first.getvalue().splitlines()[7] == "1000000000 n0 x"


def test_one_other_character_makes_another_hash() -> None:
    one, other = Trace(), Trace()
    one.note(1.0, "n0", "x")
    other.note(1.0, "n0", "y")
    assert one.digest() != other.digest()


def test_events_and_effects_are_told_in_words() -> None:
    assert describe_event(Tick()) == "< Tick"
    assert describe_event(Stored(4)) == "< Stored 4"
    assert describe_event(Publish("node", {"b": 1, "a": 2})) == '< Publish {"topic":"node","value":{"a":2,"b":1}}'
    assert describe_effect(Emit("x", {"n": 1})) == '> Emit {"name":"x","about":{"n":1}}'
    assert describe_effect(NotComposed(1, Refused("no"))) == '> NotComposed {"request":1,"error":"Refused: no"}'
