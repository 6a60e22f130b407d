"""A timetable: the soonest deadline of those that were noted, and who is due."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.gossip.timetable import Timetable

moments = st.integers(0, 5).map(float) | st.just(float("inf"))


class Alarm:
    """A core with a deadline that a test sets."""

    def __init__(self, at: float) -> None:
        self.at = at

    def deadline(self) -> float:
        return self.at


@given(st.lists(moments, min_size=1, max_size=5), st.lists(st.tuples(st.integers(0, 4), moments), max_size=8))
def test_the_soonest_and_the_due_are_those_of_the_cores(first: list[float], moves: list[tuple[int, float]]) -> None:
    alarms = [Alarm(at) for at in first]
    table = Timetable(alarms)
    for number, at in moves:
        alarms[number % len(alarms)].at = at
        table.note(1 << number % len(alarms))
        table.check()
        assert table.soonest == min(alarm.at for alarm in alarms)
        assert table.due(2.0) == [i for i, alarm in enumerate(alarms) if alarm.at <= 2.0]


def test_who_speaks_to_a_core_and_does_not_say_so_is_found() -> None:
    alarm = Alarm(1.0)
    table = Timetable([alarm])
    alarm.at = 0.5
    with pytest.raises(AssertionError, match="nobody noted"):
        table.check()
