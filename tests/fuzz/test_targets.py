"""A short run of the fuzz targets, without atheris: nearly right bytes are answered, refused, and nothing worse."""

from random import Random

import pytest

from tests.fuzz.mutation import mutated
from tests.fuzz.targets import TARGETS, corpus, loop

ROUNDS = 3000


@pytest.mark.parametrize("name", TARGETS)
def test_the_promise_holds_for_nearly_right_bytes(name: str) -> None:
    loop(name, 0, ROUNDS)


@pytest.mark.parametrize("name", TARGETS)
def test_what_honest_peers_say_is_not_malformed(name: str) -> None:
    for raw in corpus(name):
        TARGETS[name](raw)


def test_mutations_are_many_and_the_same_each_time() -> None:
    raw = corpus("content")[0]
    one, other = ([mutated(rng, raw) for _ in range(50)] for rng in (Random(1), Random(1)))
    assert one == other
    assert len({*one} - {raw}) > 40
