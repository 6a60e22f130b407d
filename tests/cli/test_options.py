"""Peers may be named in any usual way."""

from pathlib import Path

import pytest

from mesh.cli.options import DEFAULT_URL, Common
from mesh.errors import UsageError


@pytest.mark.parametrize(
    ("at", "urls"),
    [
        ((), [DEFAULT_URL]),
        (("http://a:1", "http://b:2"), ["http://a:1", "http://b:2"]),
        (("http://a:1, b:2,", ""), ["http://a:1", "http://b:2"]),
    ],
)
def test_peers_come_one_by_one_or_with_commas(at: tuple[str, ...], urls: list[str]) -> None:
    assert Common(at=at).urls() == urls


def test_what_is_no_ca_is_explained(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be used as a CA"):
        Common(ca=tmp_path / "none.pem").client()
