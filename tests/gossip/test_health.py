"""Local health: a score within its bounds."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.gossip.health import LocalHealth


@given(st.lists(st.integers(-1, 4)), st.integers(0, 7))
def test_the_score_stays_within_its_bounds(steps: list[int], most: int) -> None:
    health = LocalHealth(most)
    for step in steps:
        before = health.score
        if step < 0:
            health.better()
            assert health.score == max(0, before - 1)
        else:
            health.worse(step)
            assert health.score == min(most, before + step)
        assert health.factor == health.score + 1
