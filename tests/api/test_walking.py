"""Long looks go on where they stopped, and let others run in between."""

from collections.abc import Generator
from pathlib import Path

import pytest
import trio

from mesh.api.past import present
from mesh.api.walking import each, run, walk
from mesh.crdt.history import Place
from mesh.crdt.replica import Reader, Table
from tests.runtime.meshes import make_folders, put, running


@pytest.mark.live
async def test_every_row_is_looked_at_once_and_every_item_made_once(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada")
    async with running(tmp_path, "ada") as (ada,):
        for number in range(5):
            await put(ada, "x", number)
        places: list[Place] = []

        def look(reader: Reader, place: Place, row: bytes) -> None:
            places.append(place)

        await walk(ada, present(ada), look)
        assert [number for _, number in places] == [1, 2, 3, 4, 5]
        await walk(ada, present(ada), look, places[2])
        assert [number for _, number in places[5:]] == [4, 5]
        found = await each(ada, range(300), lambda reader, item: (item, len(list(reader.scan(Table.BATCHES)))))
        assert found == [(item, 5) for item in range(300)]
        assert await each(ada, [], lambda reader, item: item) == []


async def test_a_generator_is_carried_out_while_others_run() -> None:
    turns = 0
    done = False

    def steps() -> Generator[None, None, str]:
        while turns < 3:
            yield
        return "done"

    async def count() -> None:
        nonlocal turns
        while not done:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        assert await run(steps()) == "done"
        done = True
