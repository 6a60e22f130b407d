"""What peers say: a summary of digests tells whether two peers hold the same."""

from hypothesis import given

from mesh.messages import MARK_BYTES, Digests
from tests.strategies import digests


@given(digests, digests)
def test_summaries_are_equal_where_digests_are(one: Digests, other: Digests) -> None:
    assert (one.summary == other.summary) == (one == other)
    assert len(one.summary) == MARK_BYTES
