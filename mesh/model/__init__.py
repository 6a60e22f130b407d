"""The domain of !CHAOS as plain values: names, records, limits and the control unit's state machine."""
