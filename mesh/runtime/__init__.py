"""What drives a peer on a real machine: the trio loop, keys and clocks, start-up and shutdown in order."""
