"""A folder holds one identity, made as a whole, and says what is wrong with it."""

import json
import os
import ssl
from pathlib import Path

import pytest

from mesh.errors import StorageError, UsageError
from mesh.runtime.identity import Identity, client_context, create_mesh, create_node, load_node, server_context


@pytest.fixture
def mesh(tmp_path: Path) -> Path:
    create_mesh(tmp_path / "mesh", "btf")
    return tmp_path / "mesh"


@pytest.fixture
def ada(mesh: Path) -> Identity:
    return create_node(mesh.parent / "ada", "ada", mesh)


def test_a_node_is_loaded_as_it_was_made(ada: Identity) -> None:
    again = load_node(ada.folder)
    assert (again.name, again.node, again.mesh, again.mesh_name) == ("ada", ada.node, ada.mesh, "btf")
    assert (again.certificate_der, again.ca_der, again.epoch_secret) == (
        ada.certificate_der,
        ada.ca_der,
        ada.epoch_secret,
    )
    assert (len(ada.node), len(ada.mesh), len(ada.epoch_secret)) == (16, 16, 32)


def test_nodes_of_one_mesh_share_it_and_differ(ada: Identity, mesh: Path, tmp_path: Path) -> None:
    bob = create_node(tmp_path / "bob", "bob", mesh)
    assert (bob.mesh, bob.epoch_secret, bob.ca_der) == (ada.mesh, ada.epoch_secret, ada.ca_der)
    assert bob.node != ada.node


def test_only_the_owner_can_read_secrets(ada: Identity, mesh: Path) -> None:
    secret = [mesh / "ca.key", mesh / "mesh.json", ada.folder / "node.key", ada.folder / "mesh.json"]
    assert [oct(file.stat().st_mode & 0o777) for file in secret] == ["0o600"] * 4


def test_secrets_are_not_in_what_people_see(ada: Identity) -> None:
    assert "epoch_secret" not in repr(ada)
    assert "key=" not in repr(ada)


def test_nothing_but_the_files_is_left_behind(ada: Identity) -> None:
    assert sorted(file.name for file in ada.folder.iterdir()) == ["ca.pem", "mesh.json", "node.key", "node.pem"]


def test_an_existing_node_is_not_overwritten(ada: Identity, mesh: Path) -> None:
    with pytest.raises(UsageError, match=r"already holds node 'ada' of mesh 'btf'.*nothing was changed"):
        create_node(ada.folder, "bob", mesh)
    assert load_node(ada.folder).node == ada.node


def test_an_existing_mesh_is_not_overwritten(mesh: Path) -> None:
    before = (mesh / "mesh.json").read_bytes()
    with pytest.raises(UsageError, match="already holds mesh 'btf'"):
        create_mesh(mesh, "other")
    assert (mesh / "mesh.json").read_bytes() == before


def test_an_unfinished_folder_is_named_as_such(ada: Identity, mesh: Path) -> None:
    (ada.folder / "mesh.json").unlink()
    with pytest.raises(UsageError, match=r"an unfinished identity: node.key"):
        create_node(ada.folder, "ada", mesh)


@pytest.mark.parametrize("name", ["", "a b", "ä", "-a", "a/b", "x" * 65, "a\n"])
def test_a_poor_name_is_refused_before_anything_is_written(name: str, mesh: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected 1 to 64") as caught:
        create_node(tmp_path / "new", name, mesh)
    assert (caught.value.field, (tmp_path / "new").exists()) == ("name", False)


def test_a_folder_without_a_node_is_the_callers_mistake(tmp_path: Path, mesh: Path) -> None:
    with pytest.raises(UsageError, match="no node folder"):
        load_node(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="holds the mesh 'btf' itself"):
        load_node(mesh)


def test_a_node_cannot_make_nodes(ada: Identity, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't sign certificates"):
        create_node(tmp_path / "new", "new", ada.folder)
    with pytest.raises(UsageError, match="no mesh folder"):
        create_node(tmp_path / "new", "new", tmp_path)


@pytest.mark.parametrize("file", ["node.key", "node.pem", "ca.pem", "mesh.json"])
@pytest.mark.parametrize("content", [b"", b"rubbish", b"\xff\x00", b"{}", b'{"mesh_id": "12"}'])
def test_a_damaged_file_is_named(file: str, content: bytes, ada: Identity) -> None:
    (ada.folder / file).write_bytes(content)
    with pytest.raises(StorageError, match=rf"{file} is damaged, expected .*"):
        load_node(ada.folder)


@pytest.mark.parametrize("file", ["node.key", "node.pem", "ca.pem"])
def test_a_missing_file_is_named(file: str, ada: Identity) -> None:
    (ada.folder / file).unlink()
    with pytest.raises(StorageError, match=rf"can't read .*{file}, expected"):
        load_node(ada.folder)


@pytest.mark.parametrize("file", ["node.key", "node.pem", "ca.pem"])
def test_a_file_of_somebody_else_is_found(file: str, ada: Identity, tmp_path: Path) -> None:
    create_mesh(tmp_path / "mesh2", "btf")
    eve = create_node(tmp_path / "eve", "eve", tmp_path / "mesh2")
    (ada.folder / file).write_bytes((eve.folder / file).read_bytes())
    with pytest.raises(StorageError, match=r"node\.pem"):
        load_node(ada.folder)


def test_a_card_of_another_node_is_found(ada: Identity) -> None:
    card = json.loads((ada.folder / "mesh.json").read_bytes())
    (ada.folder / "mesh.json").write_text(json.dumps({**card, "node_name": "bob"}))
    with pytest.raises(StorageError, match=r"another name's.*expected bob, got ada"):
        load_node(ada.folder)


def test_a_mixed_mesh_folder_is_found(mesh: Path, tmp_path: Path) -> None:
    create_mesh(tmp_path / "mesh2", "btf")
    (mesh / "ca.key").write_bytes((tmp_path / "mesh2" / "ca.key").read_bytes())
    with pytest.raises(StorageError, match="don't belong together"):
        create_node(tmp_path / "new", "new", mesh)
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_not_called_absent(ada: Identity) -> None:
    ada.folder.chmod(0o000)
    try:
        with pytest.raises(StorageError, match="Permission denied"):
            load_node(ada.folder)
    finally:
        ada.folder.chmod(0o700)


def test_a_folder_that_cannot_be_made_is_named(mesh: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="can't make the folder"):
        create_node(tmp_path / "file" / "new", "new", mesh)


def test_tls_is_made_from_the_folder(ada: Identity) -> None:
    server, client = server_context(ada), client_context(ada)
    assert (server.minimum_version, client.minimum_version) == (ssl.TLSVersion.TLSv1_3,) * 2
    assert (server.verify_mode, client.verify_mode) == (ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED)


def test_tls_without_the_key_is_a_clear_error(ada: Identity) -> None:
    (ada.folder / "node.key").unlink()
    with pytest.raises(StorageError, match=r"node\.key"):
        server_context(ada)
