"""A certificate of a node that was ended opens no door, also in a fresh folder, and at peers that have started again."""

import shutil
from pathlib import Path

import pytest
import trio

from mesh.crdt.ends import end_of_node, sign_end
from mesh.effects import Emit
from mesh.errors import MalformedMessage
from mesh.runtime.door import Door
from mesh.runtime.identity import create_mesh, create_node, load_admin
from mesh.runtime.node import Node, Options
from mesh.runtime.start import open_node
from tests.runtime.meshes import PATIENCE_S, QUICK, make_folders, put, running, until

KEPT = ("node.key", "node.pem", "ca.pem", "mesh.json")


def test_the_door_names_who_ended_a_node_and_why(tmp_path: Path) -> None:
    create_mesh(tmp_path / "mesh", "btf")
    ada, bob = (create_node(tmp_path / name, name, tmp_path / "mesh") for name in ("ada", "bob"))
    ended = {bob.node: end_of_node(ada.mesh, bob.node, ("stolen", "eva"), 7)}
    door = Door(ada, lambda: ended)
    assert door.read_certificate(ada.certificate_der).name == "ada"
    with pytest.raises(MalformedMessage, match="eva has ended node bob: stolen"):
        door.read_certificate(bob.certificate_der)


def standing(node: Node, name: str) -> list[str]:
    return [row.standing for row in node.members() if row.name == name]


@pytest.mark.live
async def test_an_ended_nodes_certificate_is_refused_in_a_fresh_folder_and_after_restarts(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada", "bob", "cyd")
    admin = load_admin(tmp_path / "mesh")
    async with running(tmp_path, "ada", "cyd", "bob") as (ada, cyd, bob):
        end = sign_end(end_of_node(admin.mesh, bob.identity.node, ("stolen", "eva"), 7), admin.sign)
        await ada.take_ends((end,))
        await until(lambda: [standing(node, "bob") for node in (ada, cyd)] == [["ended"]] * 2)
        await until(lambda: bob.loop.peer.ledger.is_ended)
        await until(lambda: bob.health().reachable == 1)
        assert [node.health().reachable for node in (ada, cyd)] == [2, 2]
    fresh = tmp_path / "bob again"
    fresh.mkdir()
    for name in KEPT:
        shutil.copy(tmp_path / "bob" / name, fresh / name)
    async with running(tmp_path, "ada", "cyd") as (ada, cyd):
        options = Options(seeds=(ada.address, cyd.address), config=QUICK)
        async with open_node(fresh, options) as intruder:
            with intruder.listen(kinds=(Emit,)) as announcements, trio.fail_after(PATIENCE_S):
                reasons: dict[object, object] = {}
                while len(reasons) < 2:
                    said = await announcements.receive()
                    if isinstance(said, Emit) and said.name == "peer.refused":
                        reasons[said.about["at"]] = said.about["reason"]
            assert all("eva has ended node bob: stolen" in str(reason) for reason in reasons.values())
            assert [node.health().reachable for node in (intruder, ada, cyd)] == [1, 2, 2]
            await put(ada, "x", 1)
            assert intruder.health().writers == 0
            assert standing(ada, "bob") in ([], ["ended"])
