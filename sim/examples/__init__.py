"""Protocols of one's own, put into the real peer (docs/simulator-tutorial.md)."""
