"""Round-trip times from a file: triples `i j rtt`, as the King data set has them, or a full matrix as text or CSV.

Invariant: a matrix that was read is square and symmetric, and every pair of its hosts has a time; each complaint names the line.
"""

from collections.abc import Iterable
from statistics import median

from mesh.errors import UsageError
from sim.packaged import read_named

HOSTS_MAX = 10_000  # A full matrix of so many has 10^8 entries, and no more fit a machine.
Matrix = list[list[float]]


def read_matrix(path: str, unit_s: float) -> Matrix:
    """The one-way times of a file in seconds, half of each round trip; `unit_s` is what one in the file means.

    In a list of triples hosts may be numbered from 0 or 1; a pair that is missing, or not positive as a failed measurement is
    written, gets the median of all. Raises UsageError.
    """
    try:
        text = read_named(path)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{path}: can't read round-trip times: {error}", field="network.delays.file") from None
    rows = [(number, _numbers(path, number, line)) for number, line in enumerate(text.splitlines(), 1) if _says(line)]
    if not rows:
        raise UsageError(f"{path}: there are no round-trip times in it", field="network.delays.file")
    return _from_rows(path, rows, unit_s) if _is_full(rows) else _from_triples(path, rows, unit_s)


def _says(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _is_full(rows: list[tuple[int, list[float]]]) -> bool:
    """Whether it is a full matrix. Three lines of three numbers are one where the diagonal is 0."""
    if len(rows) != len(rows[0][1]):
        return False
    return len(rows) != 3 or all(row[place : place + 1] == [0.0] for place, (_, row) in enumerate(rows))


def _numbers(path: str, number: int, line: str) -> list[float]:
    try:
        return [float(word) for word in line.replace(",", " ").replace(";", " ").split()]
    except ValueError:
        raise _wrong(path, number, f"numbers were expected, and it says {line.strip()[:40]!r}") from None


def _wrong(path: str, number: int, said: str) -> UsageError:
    todo = "write lines `i j rtt`, or one line per host with its round trips to all"
    return UsageError(f"{path}: line {number}: {said}", field="network.delays.file", todo=todo)


def _from_rows(path: str, rows: list[tuple[int, list[float]]], unit_s: float) -> Matrix:
    size = len(rows)
    for number, row in rows:
        if len(row) != size:
            raise _wrong(path, number, f"{size} round trips were expected, and there are {len(row)}")
    values = [row for _, row in rows]
    known = {(one, other): values[one][other] for one in range(size) for other in range(size) if one != other}
    return _complete(size, known, unit_s)


def _from_triples(path: str, rows: list[tuple[int, list[float]]], unit_s: float) -> Matrix:
    known: dict[tuple[int, int], float] = {}
    for number, row in rows:
        if len(row) != 3 or row[0] != int(row[0]) or row[1] != int(row[1]) or min(row[:2]) < 0:
            raise _wrong(path, number, "two hosts' numbers and a round trip were expected")
        known[int(row[0]), int(row[1])] = row[2]
    first = min(min(pair) for pair in known)
    size = max(max(pair) for pair in known) + 1 - first
    if size > HOSTS_MAX:
        raise UsageError(f"{path}: it has {size} hosts, and {HOSTS_MAX} is the most", field="network.delays.file")
    return _complete(size, {(one - first, other - first): value for (one, other), value in known.items()}, unit_s)


def _complete(size: int, known: dict[tuple[int, int], float], unit_s: float) -> Matrix:
    """Both ways alike, the mean where the file has both; the median where it has none."""
    usable = {pair: value for pair, value in known.items() if value > 0.0}
    middle = _median(usable.values())
    matrix = [[0.0] * size for _ in range(size)]
    for one in range(size):
        for other in range(one):
            found = [usable[pair] for pair in ((one, other), (other, one)) if pair in usable]
            value = sum(found) / len(found) if found else middle
            matrix[one][other] = matrix[other][one] = value * unit_s / 2
    return matrix


def _median(values: Iterable[float]) -> float:
    ordered = list(values)
    return median(ordered) if ordered else 0.0
