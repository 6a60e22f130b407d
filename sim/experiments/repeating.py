"""An account of an experiment, made again: the same plan must give the same data files, byte for byte.

Invariant: what is compared are the digests that the account names, and the files beside it as far as they are there.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from mesh.errors import UsageError
from sim.experiments.account import SCHEMA, Account, account_of
from sim.experiments.catalogue import find_experiment
from sim.experiments.kind import Kind
from sim.experiments.results import Measured
from sim.experiments.running import Ran, run_cells
from sim.provenance import differences_of, provenance


class Repeated(Struct, frozen=True):
    """`same`: all data files are identical. `differing`: files and cells that are not; `otherwise`: what else is not as it was."""

    same: bool
    differing: tuple[str, ...]
    otherwise: tuple[str, ...]
    files: dict[str, bytes]


def read_account(raw: bytes, source: str) -> Account:
    """The account in a JSON file. Raises UsageError where it is none, or one of another schema."""
    try:
        schema = msgspec.json.decode(raw, type=Kind).schema
        if schema == SCHEMA:
            return msgspec.json.decode(raw, type=Account)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise UsageError(f"{source}: the account of an experiment was expected: {error}", field="report") from None
    raise UsageError(
        f"{source}: it has schema {schema}, and schema {SCHEMA} was expected",
        field="report",
        todo="check out the commit that it names",
    )


def repeat(account: Account, beside: Path, workers: int, tell: Callable[[Ran], None]) -> Repeated:
    """Measure every cell of `account` once more; `beside` is the folder of its files. Raises UsageError where a cell breaks."""
    experiment = find_experiment(account.experiment)
    cells = [one.cell for one in account.data.cells]
    found: dict[str, Measured] = {}
    for ran in run_cells(account.experiment, cells, workers):
        tell(ran)
        if ran.measured is None:
            raise UsageError(f"cell {ran.cell.name} broke: {ran.broke}", field="report", todo="check out its commit")
        found[ran.cell.name] = ran.measured
    measured = [found[cell.name] for cell in cells]
    again, files = account_of(account.experiment, experiment, account.data.quick, measured, (provenance(), 0.0))
    differing = [name for name, digest in account.digests.items() if again.digests.get(name) != digest]
    differing += [
        f"{name} on disk"
        for name, raw in files.items()
        if (beside / name).is_file() and (beside / name).read_bytes() != raw
    ]
    differing += [f"cell {was.cell.name}" for was, now in zip(account.data.cells, measured, strict=True) if was != now]
    otherwise = tuple(differences_of(account.provenance, again.provenance))
    if account.edition != again.edition:
        otherwise += (f"{account.experiment}: {account.edition} then, {again.edition} now",)
    return Repeated(not differing, tuple(differing), otherwise, files)
