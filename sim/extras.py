"""What only the extra `sim` brings: whether it is there is said before any work is done.

Invariant: nothing is imported here; a library that is missing is named, with the command that brings it.
"""

from importlib.util import find_spec

from mesh.errors import UsageError

TABLES = ("polars",)
ACCOUNTS = ("polars", "matplotlib", "numpy")
VECTORS = ("numpy", "numba")


def need(libraries: tuple[str, ...], what: str) -> None:
    """Raise UsageError where one of `libraries`, which `what` needs, is not installed."""
    missing = [name for name in libraries if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"{what}: this needs {' and '.join(missing)}, which the extra `sim` brings",
            todo='install it with `pip install "chaos-metadata-mesh[sim]"`',
        )
