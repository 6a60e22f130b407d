"""The mesh: a metadata server for the !CHAOS control system with no server in it."""

__version__ = "0.1.0"
