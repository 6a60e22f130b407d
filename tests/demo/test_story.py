"""The whole demonstration: real processes, one of them killed, nothing lost."""

from pathlib import Path

import pytest

from mesh.demo.readings import Reading
from mesh.demo.story import Script, Story

EXAMPLE = Path(__file__).parents[2] / "examples" / "beamline.json"

pytestmark = pytest.mark.live


async def test_a_mesh_of_three_survives_the_loss_of_one(tmp_path: Path) -> None:
    notes: list[str] = []

    def show(readings: list[Reading], note: str) -> None:
        assert len(readings) == 3
        notes.append(note)

    names = ["peer-1", "peer-2", "peer-3"]
    result = await Story(Script(tmp_path, names, EXAMPLE, 12.0, crash=True), show).run()
    everywhere = dict.fromkeys(names, 21)
    assert (result.units, result.started, result.moving) == (everywhere, everywhere, everywhere)
    assert result.converged
    crash = result.crash
    assert crash is not None
    assert sorted(crash.detected_s) == ["peer-1", "peer-2"]
    assert max(crash.detected_s.values()) < 10
    assert crash.unreachable == {"peer-1": 7, "peer-2": 7}
    assert crash.acknowledged_before > 0
    assert (crash.lost_acknowledged, crash.rejoined_s is not None) == (0, True)
    assert "counting" in notes or notes
