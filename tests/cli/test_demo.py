"""`mesh demo` says what it cannot do, and finds its own example."""

import pytest

from mesh.cli.demo import _example
from mesh.cli.main import outcome


def test_one_peer_is_no_mesh(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(["demo", "--peers", "1"]) == 1
    assert "2 to 50 peers were expected" in capsys.readouterr().err


def test_the_example_comes_with_the_program() -> None:
    assert _example().name == "beamline.json"
    assert _example().exists()
