"""The ledger and the board: replicated truth, as plain values and pure functions."""
