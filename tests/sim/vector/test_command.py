"""The command prints one object, or says what it expected."""

import msgspec
import pytest

from mesh.errors import UsageError
from sim.vector.command import NODES_EXACT_MAX, spread_vector


def test_it_prints_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert spread_vector(seed=1, nodes=500, items=1, json=True) == 0
    told = msgspec.json.decode(capsys.readouterr().out)
    assert (told["nodes"], told["items"], told["exact"]) == (500, 1, None)
    assert told["model"]["reached"] == 1.0


def test_it_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert spread_vector(seed=1, nodes=500, items=1) == 0
    assert "last_hop" in capsys.readouterr().out


def test_too_many_real_peers_are_refused() -> None:
    with pytest.raises(UsageError):
        spread_vector(seed=1, nodes=NODES_EXACT_MAX + 1, exact=True)
