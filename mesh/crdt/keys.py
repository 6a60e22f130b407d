"""How things are found in the tables of a replica: the keys, and nothing else.

Invariant: the keys of one record are neighbours, in the order collection, key, field; the record's own cell (field "") is first.
"""

from mesh.ids import RecordId, WriterId

COLLECTION_BYTES_MAX = 32
RECORD_KEY_BYTES_MAX = 240
FIELD_BYTES_MAX = 230  # 32 + 240 + 230 and two separators fit a key (replica.KEY_BYTES_MAX).

NUL_FAULT = "a name holds no NUL"

ERA = b"era"  # META: the nonce of this node's writer.
BOOT = b"boot"  # META: the newest boot of this node.
NODE_NAME = b"name/"  # META, with a NodeId: what the certificate of that node calls it.
OPENS = b"opens"  # META: how often this database was opened; compared with a counter outside of it.

HELD = b"held"  # META, before a writer: since when its next batch is held here (milliseconds since 1970). For people alone.


def batch_key(writer: WriterId, number: int) -> bytes:
    """The key of a batch in BATCHES, and of its fate in FATES."""
    return writer + number.to_bytes(8, "big")


def number_of(batch_key: bytes) -> int:
    """The batch number in a key of BATCHES or FATES."""
    return int.from_bytes(batch_key[16:], "big")


def cell_key(record: RecordId, field: str) -> bytes:
    """The key of a field's cell in CELLS."""
    return f"{record.collection}\0{record.key}\0{field}".encode()


def record_prefix(record: RecordId) -> bytes:
    """What the keys of all cells of a record start with."""
    return cell_key(record, "")


def collection_prefix(collection: str, key_prefix: str = "") -> bytes:
    """What the keys of all cells of a collection start with, narrowed to records whose key starts with `key_prefix`."""
    return f"{collection}\0{key_prefix}".encode()


def split_cell_key(key: bytes) -> tuple[RecordId, str]:
    """The record and the field that a key of CELLS names."""
    collection, record, field = key.decode().split("\0", 2)
    return RecordId(collection, record), field


def name_fault(record: RecordId, field: str) -> str | None:
    """Why these names cannot be a cell's, or None. Depends on the names alone, so that every replica says the same."""
    return record_fault(record) or field_fault(field.encode())


def record_fault(record: RecordId) -> str | None:
    """Why these names cannot be a record's, or None."""
    if not 1 <= len(record.collection.encode()) <= COLLECTION_BYTES_MAX:
        return f"a collection has 1 to {COLLECTION_BYTES_MAX} bytes"
    if not 1 <= len(record.key.encode()) <= RECORD_KEY_BYTES_MAX:
        return f"a key has 1 to {RECORD_KEY_BYTES_MAX} bytes"
    return NUL_FAULT if "\0" in record.collection or "\0" in record.key else None


def field_fault(field: bytes) -> str | None:
    """Why this name, in UTF-8, cannot be a field's, or None."""
    if len(field) > FIELD_BYTES_MAX:
        return f"a field has at most {FIELD_BYTES_MAX} bytes"
    return NUL_FAULT if 0 in field else None
