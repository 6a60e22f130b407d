"""Which experiments there are, by name; one's own is found by the path of its file.

Invariant: every process finds the same experiment under the same name.
"""

from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from mesh.errors import UsageError
from sim.experiments.plan import Experiment

NAMES = (
    *("swim", "lifeguard", "rapid", "spread", "partition", "mass-restart", "reconcile"),
    *("detection", "cold-start", "idle"),
)


def find_experiment(name: str) -> Experiment:
    """The experiment of that name, or the EXPERIMENT in the Python file of that path. Raises UsageError."""
    if name in NAMES:
        return _of(import_module(f"sim.experiments.{name.replace('-', '_')}"), name)
    path = Path(name)
    if path.suffix == ".py" and path.is_file():
        spec = spec_from_file_location(f"experiment_{path.stem}", path.resolve())
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return _of(module, name)
    raise UsageError(
        f"{name}: there is no such experiment",
        field="name",
        todo=f"give one of {', '.join(NAMES)}, or the path of a Python file that has an EXPERIMENT",
    )


def _of(module: object, name: str) -> Experiment:
    found = getattr(module, "EXPERIMENT", None)
    if not isinstance(found, Experiment):
        raise UsageError(f"{name}: it has no EXPERIMENT", field="name", todo="docs/experiments.md shows one")
    return found
