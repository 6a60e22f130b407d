"""The simulator: real peers in virtual time over a modelled network, disks and clocks.

`sim.Mesh` is a mesh to hold in one's hands (docs/simulator-tutorial.md); `sim.run.run` runs a scenario to its end.
"""

from sim.laboratory import Mesh
from sim.library import load
from sim.scenario import Scenario, read_scenario

__all__ = ["Mesh", "Scenario", "load", "read_scenario"]
