"""Two meshes with a few nodes, made once: keys and certificates are real here."""

import pytest

from mesh.runtime.identity import Identity, create_mesh, create_node


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Identity]:
    """`ada` and `bob` of one mesh, `eve` of another that is called alike."""
    folder = tmp_path_factory.mktemp("nodes")
    create_mesh(folder / "own", "btf")
    create_mesh(folder / "foreign", "btf")
    places = (("ada", "own"), ("bob", "own"), ("eve", "foreign"))
    return {name: create_node(folder / name, name, folder / mesh) for name, mesh in places}
