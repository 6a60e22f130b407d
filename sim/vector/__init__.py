"""The spread of one item as arrays: what real peers would do among a million nodes. Needs the extra `sim` (numpy, numba)."""
