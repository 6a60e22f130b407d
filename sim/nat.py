"""Nodes that can dial out and not be dialled: behind an address translator.

Invariant: a datagram comes in only from where the node sent one within `mapping_s`; a stream only if the node dialled it.
"""

from random import Random
from typing import Annotated

from msgspec import Meta, Struct

from sim.quantities import Seconds, Share


class Nat(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Some nodes stand behind translators: endpoint-independent mapping, filtering by address (RFC 4787). Seeds never do."""

    share: Annotated[Share, Meta(description="How many of the nodes.")] = 0.25
    mapping_s: Annotated[
        Seconds,
        Meta(description="How long an answer is let in after the last datagram out (RFC 4787 §4.3: 120 s or more)."),
    ] = 120.0


class Translators:
    """Who stands behind a translator, and whom it let out lately."""

    __slots__ = ("_mapping_s", "_sent", "hidden")

    def __init__(self, model: Nat, nodes: range, rng: Random) -> None:
        """`nodes` are the indices of those that may be hidden: all but the seeds."""
        self._mapping_s = model.mapping_s
        self.hidden = frozenset(rng.sample(nodes, min(len(nodes), round(model.share * len(nodes)))))
        self._sent: dict[tuple[int, int], float] = {}

    def admits(self, source: int, target: int, now: float) -> bool:
        """Whether a datagram gets in; one that leaves a hidden node opens the way back."""
        if source in self.hidden:
            self._sent[source, target] = now
        if target not in self.hidden:
            return True
        return now - self._sent.get((target, source), float("-inf")) <= self._mapping_s
