"""A knob is turned by its name, and a misspelt one is told."""

import pytest

from mesh.config import Config, read_config
from mesh.errors import UsageError


def test_nothing_said_means_the_defaults() -> None:
    assert read_config("", {}) == Config()


def test_a_file_turns_a_knob_and_the_environment_overrules_it() -> None:
    text = "[gossip]\nprobe_interval_s = 2\nlinks_max = 3\n"
    found = read_config(text, {"MESH_GOSSIP__PROBE_INTERVAL_S": "5", "MESH_AT": "http://elsewhere", "HOME": "/"})
    assert (found.gossip.probe_interval_s, found.gossip.links_max) == (5.0, 3)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[gossip]\nprobe_intervall_s = 2", "probe_intervall_s"),
        ("[gossip", "cannot be used"),
        ("[gossip]\nlinks_max = 'x'", "links_max"),
    ],
)
def test_a_mistake_is_told(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        read_config(text, {})
