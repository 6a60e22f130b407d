"""What clients send and get about proofs.

Invariant: as in `mesh/api/shapes.py`.
"""

from msgspec import Struct

from mesh.api.shapes import Reading, Text


class ProveField(Reading, frozen=True, kw_only=True):
    """Prove who wrote a field. `chain`: with what it was made over, and with its writers' batches up to now."""

    collection: Text
    key: Text
    field: Text
    chain: bool = False


# ---- answers


class ProofAnswer(Struct, frozen=True):
    """A proof as a text for `mesh verify-proof`, of `values` values, with `chain` later batches; `cut`: not all of them fitted."""

    collection: str
    key: str
    field: str
    proof: str
    values: int
    chain: int
    cut: bool
    token: str
