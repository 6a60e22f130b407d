"""The Python client: one name for many peers (DESIGN §11)."""

from mesh.client.answers import Event, Page, Record
from mesh.client.client import MeshClient
from mesh.client.faults import Behind, CannotConnect, OutcomeUnknown, PeerFailed

__all__ = ["Behind", "CannotConnect", "Event", "MeshClient", "OutcomeUnknown", "Page", "PeerFailed", "Record"]
