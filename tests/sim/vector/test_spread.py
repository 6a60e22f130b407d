"""The model says what real peers do on the same links."""

import msgspec

from sim.experiments.worlds import quiet
from sim.vector.spread import compare, spread

WORLD = {"loss": 0.0, "delays": {"model": "geographic"}}
FEW_LINKS = {"links_max": 6, "eager_min": 3, "direct_max": 1}


def test_real_peers_and_the_model_on_their_links_agree() -> None:
    made = quiet("a test", 60, 36.0, network=WORLD, gossip=FEW_LINKS, workload={"from_s": 20.0})
    found = compare(made, 1, 12)
    assert found.exact is not None
    assert found.exact.reached == found.model.reached == 1.0
    assert found.apart is not None
    assert found.apart < 0.1
    assert abs(found.exact.copies - found.model.copies) < 0.2


def test_made_links_give_the_same_figures_again() -> None:
    made = msgspec.structs.replace(quiet("a test", 500, 30.0, network=WORLD), nodes=3_000)
    one = spread(made, 1, 2)
    assert one == spread(made, 1, 2)
    assert one.model.reached == 1.0
    assert one.model.p50_ms < one.model.p99_ms < one.model.last_ms < 1_000
