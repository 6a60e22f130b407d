"""What a peer says of an event that it could not deal with, in a sentence for people.

Invariant: whoever waits for an answer to the event gets one.
"""

from mesh.effects import Effect, Emit, NotComposed
from mesh.errors import MalformedMessage, StorageError
from mesh.events import Received
from mesh.records import Submit, Together


def complaints(event: object, error: MalformedMessage | StorageError) -> list[Effect]:
    """What is said where an event could not be dealt with: bytes that a peer sent, or rows of this node's own disk."""
    match event, error:
        case Received(sender), MalformedMessage():
            return [Emit("peer.malformed", {"node": sender.hex(), "reason": str(error)})]
        case Submit(request), StorageError():
            return [NotComposed(request, error)]
        case Together(submits), StorageError():
            return [NotComposed(submit.request, error) for submit in submits]
        case _, StorageError():
            return [Emit("storage.damaged", {"reason": str(error)})]
        case _:
            return [Emit("peer.malformed", {"node": "", "reason": str(error)})]
