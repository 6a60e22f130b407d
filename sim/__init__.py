"""The simulator: real peers in virtual time over a modelled network, disks and clocks."""
