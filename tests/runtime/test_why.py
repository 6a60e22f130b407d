"""Why: what led to a verdict, by the member's name."""

from random import Random

from mesh.peer import Peer
from mesh.runtime.why import explain
from sim.breakage import Crash
from sim.run import SimulatedMesh
from sim.scenario import Scenario, StartModel, Workload


def survivor() -> Peer:
    """A peer of a simulated mesh of six, of which one has crashed."""
    crash = Crash(at_s=10.0, count=1)
    mesh = SimulatedMesh(
        Scenario(
            about="",
            nodes=6,
            seconds=60.0,
            start=StartModel(spread_s=0.5),
            workload=Workload(writes_per_s=0.0),
            faults=(crash,),
        ),
        3,
    )
    mesh.world.run(30.0)
    return Random(1).choice([node.peer for node in mesh.nodes if node.peer is not None])


def test_a_verdict_is_explained_by_what_was_noticed() -> None:
    peer = survivor()
    (down,) = [member for member in peer.roster.members() if not member.reachable]
    why = explain(peer, down.claim.name)
    assert why is not None
    assert (why.member.name, why.member.standing, why.health) == (down.claim.name, "down", 0)
    said = " | ".join(item.said for item in why.items)
    assert "is suspected" in said or "no answer" in said
    assert "suspected for" in said or "is held down" in said
    assert all(name.startswith("n0") for item in why.items for name in item.by)
    assert explain(peer, down.claim.node.hex()[:10]) == why
    assert explain(peer, "nobody") is None
    assert explain(peer, "") is None
