"""Control units at work: drivers, the simulated one among them, and the host that runs them."""
