"""Finished cells on disk: what a run that was killed has done already is not done again.

Invariant: a file is there whole or not at all; one that was made by other code or versions, or for another plan, does not count.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from mesh.errors import UsageError
from sim.experiments.plan import Cell, Outcome
from sim.experiments.results import Measured
from sim.provenance import Provenance, differences_of

CELLS = "cells"
_encode = msgspec.json.Encoder(order="deterministic").encode


class Finished(Struct, frozen=True):
    """A finished cell, what made it, and how long that took in real seconds."""

    experiment: str
    cell: Cell
    outcome: Outcome
    provenance: Provenance
    real_s: float


class Shelf:
    """The finished cells of one experiment in one folder. `experiment`: its name, and its edition where it is somebody's own."""

    def __init__(self, folder: Path, experiment: str, provenance: Provenance) -> None:
        self._folder, self._experiment, self._provenance = folder / CELLS, experiment, provenance
        self.stale = 0  # Cells that were found and did not count.

    def claim(self) -> None:
        """Make the folder, and see that it takes a file. Raises UsageError: nobody wants to hear it after hours of work."""
        probe = self._folder / f"claimed.{os.getpid()}"
        write_whole(probe, b"")
        probe.unlink(missing_ok=True)

    def take(self, cells: Sequence[Cell]) -> dict[str, Finished]:
        """Those of `cells` that are finished, by name."""
        found = {cell.name: self._read(cell) for cell in cells}
        return {name: finished for name, finished in found.items() if finished is not None}

    def _read(self, cell: Cell) -> Finished | None:
        try:
            finished = msgspec.json.decode((self._folder / f"{cell.name}.json").read_bytes(), type=Finished)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeError):
            self.stale += 1
            return None
        asked = (finished.experiment, finished.cell) == (self._experiment, cell)
        if asked and not differences_of(finished.provenance, self._provenance):
            return finished
        self.stale += 1
        return None

    def put(self, measured: Measured, real_s: float) -> Finished:
        """Keep a cell. Raises UsageError where the folder can't be written."""
        cell = measured.cell
        finished = Finished(self._experiment, cell, measured.outcome, self._provenance, real_s)
        write_whole(self._folder / f"{cell.name}.json", _encode(finished))
        return finished


def write_whole(path: Path, raw: bytes) -> None:
    """Write a file so that it is there whole or not at all. Raises UsageError where that can't be done."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(raw)
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise UsageError(
            f"{path}: can't write there: {error.strerror}", field="out", todo="name another folder with --out"
        ) from None
