"""A report, made again: the same scenario and seed must give the same data, byte for byte.

Invariant: the data of a report is all of it but the real time that it took and what it was made with.
"""

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from mesh.errors import UsageError
from sim.provenance import Provenance, differences_of
from sim.report import SCHEMA, Report
from sim.run import run

_encode = msgspec.json.Encoder(order="deterministic").encode
_NOWHERE = Provenance("", False, "", {})


class Outcome(Struct, frozen=True):
    """`same`: the data is identical. `differing` names the parts that are not; `otherwise` says what else is not as it was."""

    same: bool
    differing: tuple[str, ...]
    otherwise: tuple[str, ...]
    report: Report


def read_report(raw: bytes, source: str) -> Report:
    """The report in a JSON file. Raises UsageError where it is none, or one of another schema."""
    try:
        schema = msgspec.json.decode(raw, type=_Numbered).schema
        if schema == SCHEMA:
            return msgspec.json.decode(raw, type=Report)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise UsageError(
            f"{source}: a report was expected: {error}",
            field="report",
            todo="give what `mesh-sim run … --json` printed, or the report.json of an experiment",
        ) from None
    raise UsageError(
        f"{source}: it has schema {schema}, and schema {SCHEMA} was expected",
        field="report",
        todo="check out the commit that it names",
    )


def data_of(report: Report) -> bytes:
    """What of a report depends on the scenario and the seed alone, in one encoding."""
    return _encode(replace(report, real_s=0.0, messages_per_s=0.0, provenance=_NOWHERE))


def reproduce(report: Report) -> Outcome:
    """Run what `report` tells of once more. Raises UsageError where somebody had stepped in."""
    if report.by_hand:
        raise UsageError(
            f"{report.scenario} with seed {report.seed} was steered by hand, so its scenario and seed don't give it again",
            field="report",
            todo="put what was done by hand into the scenario, as faults",
        )
    again = run(report.setting, report.seed)
    before, after = (msgspec.json.decode(data_of(one), type=dict[str, object]) for one in (report, again))
    differing = tuple(name for name in before if before[name] != after[name])
    otherwise = tuple(differences_of(report.provenance, again.provenance))
    return Outcome(data_of(report) == data_of(again), differing, otherwise, again)


class _Numbered(Struct):
    schema: int
