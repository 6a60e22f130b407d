"""What waits and what is void, on a terminal."""

import json
from pathlib import Path

import pytest

from mesh.cli.held import size
from mesh.crdt.batch import SEMANTICS
from mesh.ids import RecordId
from tests.api.serving import attended
from tests.api.strangers import Scribe
from tests.cli.test_main import Shell
from tests.crdt.site import put as change
from tests.runtime.meshes import make_folders, running


@pytest.mark.parametrize(("count", "said"), [(0, "0 bytes"), (1536, "1.5 KiB"), (1 << 28, "256 MiB")])
def test_sizes_are_readable(count: int, said: str) -> None:
    assert size(count) == said


@pytest.mark.live
async def test_held_and_void(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folders(tmp_path, "ada", "eve")
    eve = Scribe(tmp_path / "eve")
    record = RecordId("unit", "A")
    async with running(tmp_path, "ada") as (ada,), attended(ada):
        mesh = Shell(ada.url, capsys).run
        assert "held: 0 batches," in (await mesh("held"))[1]
        await eve.tell(ada, eve.next(change(record, "f", 1)), eve.next(change(record, "f", 2), stamp=1))
        table, said = await mesh("void")
        assert ("its stamp is not above" in table, said) == (True, "void: 1 batch\n")
        await eve.tell(ada, eve.next(semantics=SEMANTICS + 1))
        table, said = await mesh("held")
        assert ("upgrade this peer" in table, "held: 1 batch," in said, "of at most 256 MiB" in said) == (True,) * 3
        assert json.loads((await mesh("held", "retry", eve.writer.hex()[:6], "--json"))[0])["batches"] == 1
        _, said = await mesh("held", "retry", "zz", code=1)
        assert "no writer" in said
