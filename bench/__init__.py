"""The benchmarks: ratios measured in one run against a limit or a peer, never absolute promises."""
