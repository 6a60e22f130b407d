"""Fuzz one target with atheris, for as long as one likes: `python -m tests.fuzz.run TARGET [CORPUS_FOLDER] [libFuzzer options]`.

The options are libFuzzer's: `-max_total_time=3600`, `-runs=100000`. docs/fuzzing.md tells the rest.
"""
# ruff: noqa: T201  (printing is this script's work)

import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from random import Random


def _fill(folder: Path, seeds: list[bytes]) -> None:
    """What honest peers say is where the fuzzer begins; what it finds is added."""
    folder.mkdir(parents=True, exist_ok=True)
    for raw in seeds:
        (folder / sha256(raw).hexdigest()[:16]).write_bytes(raw)
    print(f"the corpus is in {folder}")


def main() -> None:
    """Run until libFuzzer ends; it ends the process."""
    import atheris

    with atheris.instrument_imports(include=["mesh"]):
        from tests.fuzz.mutation import mutated
        from tests.fuzz.targets import TARGETS, corpus, once

    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        sys.exit(f"a target was expected: {', '.join(TARGETS)}")
    options = sys.argv[2:]
    if all(option.startswith("-") for option in options):
        options.append(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    if not (given := next(Path(option) for option in options if not option.startswith("-"))).is_file():
        _fill(given, corpus(name))

    def mutate(raw: bytes, bytes_max: int, seed: int) -> bytes:
        return mutated(Random(seed), raw)[:bytes_max]

    atheris.Setup([sys.argv[0], *options], lambda raw: once(name, raw), custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
