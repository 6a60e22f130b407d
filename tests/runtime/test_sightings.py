"""Rows say what is known, of whom, and how old it is."""

from pathlib import Path

from tests.runtime.meshes import make_folders, running, until


async def test_rows_name_owners_and_ages_grow_while_nothing_is_heard(tmp_path: Path) -> None:
    make_folders(tmp_path, "a", "b")
    async with running(tmp_path, "a", "b") as (a, b):
        a.publish("node", {"load": 1})
        await until(lambda: len(b.state()) == 1)
        first = b.state()[0]
        await until(lambda: b.state()[0].age_s > first.age_s)
        assert (first.owner, first.standing) == ("a", "alive")
        a.publish("node", {"load": 2})
        await until(lambda: b.state()[0].value == {"load": 2})
        assert b.state("unit/") == []


async def test_members_are_listed_by_name_with_this_one_marked(tmp_path: Path) -> None:
    make_folders(tmp_path, "b", "a")
    async with running(tmp_path, "b", "a") as (b, a):
        assert [(row.name, row.me) for row in a.members()] == [("a", True), ("b", False)]
        assert [row.api for row in b.members()] == [a.url, b.url]
