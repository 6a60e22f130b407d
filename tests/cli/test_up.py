"""`mesh up` runs a node until it is told to stop, and says what it cannot start."""

from pathlib import Path

import pytest

from mesh.cli.main import outcome
from mesh.cli.up import parse_address
from mesh.errors import UsageError
from mesh.ids import Address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.7:7700", Address("10.0.0.7", 7700)),
        ("[::1]:7700", Address("::1", 7700)),
        ("seed:1", Address("seed", 1)),
    ],
)
def test_an_address_is_read(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "7700", "host:", "host:0", "host:65536", "host:port"])
def test_what_is_no_address_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"):
        parse_address(text)


def test_a_folder_without_a_node_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(["up", str(tmp_path / "nowhere")]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_all_addresses_of_a_host_are_no_address_to_tell_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(["up", "somewhere", "--host", "0.0.0.0"]) == 1
    assert "--advertise" in capsys.readouterr().err
