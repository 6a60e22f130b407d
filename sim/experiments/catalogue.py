"""Which experiments there are, by name; one's own is found by the path of its file.

Invariant: every process finds the same experiment under the same name.
"""

from hashlib import sha256
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from traceback import extract_tb

from mesh.errors import UsageError
from sim.experiments.plan import Experiment

NAMES = (
    *("swim", "lifeguard", "rapid", "spread", "partition", "mass-restart", "reconcile"),
    *("detection", "profiles", "cold-start", "idle", "boards"),
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
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            raise _broken(path, error) from None
        return _of(module, name)
    raise UsageError(
        f"{name}: there is no such experiment",
        field="name",
        todo=f"give one of {', '.join(NAMES)}, or the path of a Python file that has an EXPERIMENT",
    )


def _broken(path: Path, error: Exception) -> UsageError:
    """What is wrong with a file that can't be imported, and in which of its lines."""
    lines = [str(error.lineno)] if isinstance(error, SyntaxError) else []
    lines += [str(frame.lineno) for frame in extract_tb(error.__traceback__) if Path(frame.filename).name == path.name]
    where = f", line {lines[-1]}" if lines else ""
    return UsageError(f"{path}{where}: {type(error).__name__}: {error}", field="name", todo="mend the file")


def edition(name: str) -> str:
    """Which text of one's own experiment lies at that path; nothing for a packaged one, which goes with the code."""
    path = Path(name)
    return "" if name in NAMES or not path.is_file() else sha256(path.read_bytes()).hexdigest()[:16]


def _of(module: object, name: str) -> Experiment:
    found = getattr(module, "EXPERIMENT", None)
    if not isinstance(found, Experiment):
        raise UsageError(f"{name}: it has no EXPERIMENT", field="name", todo="docs/experiments.md shows one")
    return found
