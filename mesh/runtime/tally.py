"""What went over the wire, counted.

Invariant: the counts only grow.
"""


class Tally:
    """Packets and bytes since the start: datagrams and frames alike."""

    def __init__(self) -> None:
        self.packets_sent = self.bytes_sent = self.packets_received = self.bytes_received = 0

    def sent(self, size: int) -> None:
        """Count one packet out."""
        self.packets_sent += 1
        self.bytes_sent += size

    def received(self, size: int) -> None:
        """Count one packet in."""
        self.packets_received += 1
        self.bytes_received += size
