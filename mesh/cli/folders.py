"""`mesh init`: folders for a mesh and for nodes.

Invariant: nothing that is there is overwritten; with one command there is a node that can be started.
"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mesh.cli.output import show_json, show_text


def init(
    folder: Path,
    *,
    name: str,
    mesh: Path | None = None,
    mesh_name: str = "mesh",
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Make a node in FOLDER/NAME. Without --mesh, make a new mesh in FOLDER/mesh first.

    Parameters
    ----------
    folder
        Where the new folders go.
    name
        The node's name, unique in its mesh.
    mesh
        The folder of an existing mesh, which holds ca.key.
    mesh_name
        What a new mesh is called.
    json_
        Print JSON.
    """
    from mesh.runtime.identity import create_mesh, create_node

    place = mesh if mesh is not None else folder / "mesh"
    if mesh is None:
        create_mesh(place, mesh_name)
    node = create_node(folder / name, name, place)
    if json_:
        show_json({"node": node.node.hex(), "name": name, "folder": str(node.folder), "mesh": str(place)})
        return
    if mesh is None:
        show_text(f"a new mesh is in {place}; whoever has its ca.key can add nodes: keep a copy where it is safe")
    show_text(f"node {name} is in {node.folder}; start it with: mesh up {node.folder}")
