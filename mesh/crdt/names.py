"""What the nodes are called at which batches were written, so that a reader need not parse certificates.

Invariant: a name follows from the certificates that are kept, whatever their order: of several for one node, the least name counts.
So peers with the same certificates call a node the same. No name is part of the fingerprint.
"""

from mesh.crdt.damage import Tolerant
from mesh.crdt.keys import NODE_NAME
from mesh.crdt.lines import read_line, read_lines
from mesh.crdt.replica import Reader, Table, Write
from mesh.errors import MalformedMessage
from mesh.ids import WriterId
from mesh.security.trust import Certificate, Trust, fingerprint


def node_name(reader: Reader, writer: WriterId) -> str:
    """What the certificate of a writer's node calls it; empty where it is not known here."""
    line = read_line(reader, writer)
    row = reader.get(Table.META, NODE_NAME + fingerprint(line.key)) if line is not None else None
    return row.decode() if row is not None else ""


def name_writes(reader: Reader, certificate: Certificate) -> list[Write]:
    """What keeps the name that a new certificate gives; nothing where a lesser one is there."""
    key, name = NODE_NAME + certificate.node, certificate.name.encode()
    known = reader.get(Table.META, key)
    return [] if known is not None and known <= name else [Write(Table.META, key, name)]


def missing_names(reader: Reader, trust: Trust) -> list[Write]:
    """The names of writers' nodes that are not kept though a certificate says them: by an older program, or by a failing disk."""
    stored = Tolerant(reader)
    keys = dict.fromkeys(NODE_NAME + fingerprint(line.key) for line in read_lines(stored).values())
    missing = [key for key in keys if stored.get(Table.META, key) is None]
    if not missing:
        return []
    names: dict[bytes, bytes] = {}
    for _, raw in stored.scan(Table.CERTIFICATES):
        try:
            certificate = trust.read_certificate(raw)
        except MalformedMessage:  # Mended once a peer sends it again.
            continue
        key, name = NODE_NAME + certificate.node, certificate.name.encode()
        names[key] = min(names.get(key, name), name)
    return [Write(Table.META, key, names[key]) for key in missing if key in names]
