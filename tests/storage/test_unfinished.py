"""What a killed process left beside its place is swept away, and nothing else is."""

from pathlib import Path

import pytest

from mesh.errors import StorageError
from mesh.storage.files import DATA_NAME
from mesh.storage.unfinished import fresh_directory, sweep_unfinished


def left(parent: Path, name: str, *files: str) -> Path:
    path = parent / name
    path.mkdir()
    for file in files:
        (path / file).write_text("")
    return path


def test_what_nobody_holds_is_swept_by_the_next(tmp_path: Path) -> None:
    killed = [left(tmp_path, ".monday.0123abcd", DATA_NAME, "lock.mdb"), left(tmp_path, ".tuesday.89abcdef")]
    with fresh_directory(tmp_path, "backup") as made:
        assert not any(path.exists() for path in killed)
        assert made.is_dir()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "files"),
    [
        (".monday.0123abcd", (DATA_NAME, "a letter")),
        (".monday.0123abc", (DATA_NAME,)),
        ("monday.0123abcd", (DATA_NAME,)),
        (".config", ()),
    ],
)
def test_what_is_somebody_elses_stays(name: str, files: tuple[str, ...], tmp_path: Path) -> None:
    path = left(tmp_path, name, *files)
    assert sweep_unfinished(tmp_path) == []
    assert path.is_dir()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    there = left(tmp_path, "there", DATA_NAME)
    (tmp_path / ".monday.0123abcd").symlink_to(there)
    assert sweep_unfinished(tmp_path) == []
    assert (there / DATA_NAME).exists()


def test_what_is_being_made_is_left_alone_and_what_was_renamed_stays(tmp_path: Path) -> None:
    with fresh_directory(tmp_path, "backup") as made:
        assert sweep_unfinished(tmp_path) == []
        made.rename(tmp_path / "backup")
    assert [path.name for path in tmp_path.iterdir()] == ["backup"]


def test_a_place_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="can't be made"), fresh_directory(tmp_path / "file" / "below", "backup"):
        pass
    assert sweep_unfinished(tmp_path / "nowhere") == []
