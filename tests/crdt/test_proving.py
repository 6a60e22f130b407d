"""Of whatever a replica shows, however its writers forked, a proof can be made, and it holds up."""

from random import Random

from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from mesh.crdt.apart import places_between
from mesh.crdt.branches import line_of
from mesh.crdt.cell import Cell, decode_cell
from mesh.crdt.history import scan_log
from mesh.crdt.keys import split_cell_key
from mesh.crdt.proof import Proof, check_proof, read_proof, write_proof
from mesh.crdt.proving import Chains, prove_cell, read_batch
from mesh.crdt.replica import Table
from mesh.ids import RecordId
from sim.trust import CheapTrust
from tests.crdt.forests import forest
from tests.crdt.site import MESH, Site
from tests.crdt.test_branches import delivered, seeds, sizes

laws = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def proof_of(site: Site, name: tuple[RecordId, str], cell: Cell) -> Proof:
    """All that a proof of a cell may hold, from a replica's disk."""
    reader = site.disk
    made = prove_cell(reader, MESH, name, cell, replaced=True)
    between = [read_batch(reader, place) for place in dict.fromkeys(places_between(reader, made.live))]
    chains = Chains({line_of(reader, one.dot): one.dot.number for one in cell}, 1 << 20)
    for place, row in scan_log(reader, site.ledger.durable.token()):
        chains.look(reader, place, row)
    return replace(made, between=tuple(one for one in between if one is not None), chain=tuple(chains.found))


def cells(site: Site) -> dict[tuple[RecordId, str], Cell]:
    """Every field that has a value."""
    rows = [(split_cell_key(key), decode_cell(row)) for key, row in site.disk.scan(Table.CELLS)]
    return {name: cell for name, cell in rows if name[1]}


@laws
@given(seeds, sizes)
def test_every_cell_of_a_replica_can_be_proven(seed: int, size: int) -> None:
    site = delivered(forest(seed, size), Random(seed))
    for name, cell in cells(site).items():
        text = write_proof(proof_of(site, name, cell))
        verdict = check_proof(read_proof(text.encode()), MESH, CheapTrust("x"))
        assert tuple(one.sibling for one in verdict.live) == cell
