"""Relays: a bounded number of probes for others, each answered."""

import math

from mesh.gossip.relays import RELAYS_MAX, Relays
from tests.gossip.circle import CONFIG, node


def test_a_late_ack_is_passed_on_after_the_nack() -> None:
    relays = Relays(CONFIG)
    assert relays.take(5, node("bob"), 77, node("cyd"), 1.0)
    (silent,) = relays.silent(relays.deadline())
    assert (silent.requester, silent.probe, silent.target) == (node("bob"), 77, node("cyd"))
    assert relays.deadline() == math.inf
    assert relays.answered(node("dan"), 5) is None
    assert relays.answered(node("cyd"), 5) == (node("bob"), 77)
    assert relays.answered(node("cyd"), 5) is None


def test_only_so_many_wait_at_once() -> None:
    relays = Relays(CONFIG)
    taken = [relays.take(number, node("bob"), number, node("cyd"), 1.0) for number in range(RELAYS_MAX + 1)]
    assert taken.count(True) == RELAYS_MAX
    assert relays.take(0, node("bob"), 0, node("cyd"), 1.0 + CONFIG.probe_interval_s)
    relays.check()
