"""The disk: LMDB files under the same contract as the in-memory replica, their writer thread, and their guard."""
