"""What a peer holds is looked up again where something may have changed it, and only there."""

from mesh.messages import Standing
from tests.test_peer import Loop


def test_what_probes_tell_follows_every_write_and_verdict() -> None:
    loop = Loop("ada", "bob").run(10)  # It checks each peer after every event.
    ada = loop.peers["ada"]
    before = ada.digests()
    loop.put("bob", {"a": 1})
    loop.run(2)
    written = ada.digests()
    assert (written.roster, written.ledger == before.ledger) == (before.roster, False)
    ada.roster.accuse(ada.roster.others()[0], Standing.DOWN, loop.now)
    accused = ada.digests()
    assert (accused.roster == written.roster, accused.ledger) == (False, written.ledger)


def test_nothing_is_looked_up_again_while_nothing_happens() -> None:
    loop = Loop("ada", "bob").run(10)
    held = loop.peers["ada"].digests()
    loop.run(5)
    assert loop.peers["ada"].digests() is held
