"""Who signed a batch: asked ahead for many, and answered for each when it has its turn.

Invariant: what was not checked ahead is checked when it is asked for; nothing counts as signed that no key was found for.
"""

from collections.abc import Sequence
from contextlib import suppress

from mesh.crdt.batch import OpenBatch
from mesh.crdt.lines import Context
from mesh.crdt.replica import Reader, Table
from mesh.errors import MalformedMessage
from mesh.ids import BatchHash, CertificateHash, WriterId, short
from mesh.security.trust import Certificate, Signed, Trust

_Claim = tuple[BatchHash, bytes, bytes]
"""A batch, a signature and a public key. The hash says what was signed: it is of all of it, and short."""


class Signatures:
    """The signatures of one fold."""

    def __init__(self, trust: Trust, context: Context, reader: Reader) -> None:
        self._trust, self._context, self._reader = trust, context, reader
        self._checked: dict[_Claim, bool] = {}

    def verify_ahead(self, batches: Sequence[OpenBatch]) -> None:
        """Check the signatures of those batches that may follow on the log, all at once."""
        lines = self._context.lines
        newest: dict[WriterId, int] = {}
        names: list[_Claim] = []
        claims: list[Signed] = []
        for opened in batches:
            writer, line = opened.content.writer, lines.get(opened.content.writer)
            number = newest.get(writer, line.have.number if line is not None else 0)
            if opened.content.number != number + 1:
                continue
            newest[writer] = opened.content.number
            with suppress(MalformedMessage):  # It is told when this batch has its turn.
                key = self.key_of(opened)
                names.append((opened.hash, opened.batch.signature, key))
                claims.append(Signed(key, opened.batch.signature, opened.batch.content))
        self._checked.update(zip(names, self._trust.verify_all(claims), strict=True))

    def key_of(self, opened: OpenBatch) -> bytes:
        """The public key of a batch's writer. Raises MalformedMessage where its certificate did not come."""
        line = self._context.lines.get(opened.content.writer)
        return line.key if line is not None else self._certificate(opened.content.certificate).key

    def holds(self, opened: OpenBatch, key: bytes) -> bool:
        """Whether the owner of `key` signed a batch."""
        signature = opened.batch.signature
        verdict = self._checked.get((opened.hash, signature, key))
        return self._trust.verify(key, signature, opened.batch.content) if verdict is None else verdict

    def _certificate(self, wanted: CertificateHash) -> Certificate:
        raw = self._reader.get(Table.CERTIFICATES, wanted)
        if raw is None:
            raise MalformedMessage(f"certificate {short(wanted)} of a new writer did not come with its batch")
        return self._trust.read_certificate(raw)
