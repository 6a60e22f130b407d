"""Garbage is looked for rarely while a mesh runs, and afterwards as before."""

import gc

import pytest

from sim.collecting import YOUNG_MAX, rare_collections


def test_thresholds_are_given_back_whatever_happens() -> None:
    before, within = gc.get_threshold(), list[int]()

    def run() -> None:
        with rare_collections():
            within.append(gc.get_threshold()[0])
            raise KeyError

    with pytest.raises(KeyError):
        run()
    assert within == [YOUNG_MAX]
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
