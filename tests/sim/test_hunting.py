"""The commands of people who hunt for faults: what they write can be run again from there alone.

Invariant: the planted fault is the lying disk, in a mesh as small as it can be.
"""

from pathlib import Path

from tests.sim.test_cli import LIAR, mesh_sim

SMALL = ["--set", "nodes=3", "--set", "seconds=22", "--set", "workload.settle_s=8", "--set", "checks.grace_s=2"]


def test_a_failing_run_is_shrunk_to_a_file_that_fails_again(tmp_path: Path) -> None:
    out = tmp_path / "small.toml"
    done = mesh_sim("shrink", "steady", "--seed", "1", "--out", str(out), "--tries", "12", *SMALL, *LIAR)
    assert done.returncode == 0, done.stderr
    assert f"again with: mesh-sim run {out} --seed 1" in done.stdout
    assert out.read_text("utf-8").startswith("# Fails with --seed 1:\n# write ")
    assert "it may become smaller yet: mesh-sim shrink" in done.stdout
    again = mesh_sim("run", str(out), "--seed", "1")
    assert again.returncode == 1
    assert "was durable and is gone, without a lost disk" in " ".join(again.stdout.split())


def test_a_report_is_reproduced(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    ran = mesh_sim("run", "steady", "--seed", "3", "--json", *SMALL)
    report.write_text(ran.stdout, "utf-8")
    done = mesh_sim("reproduce", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "steady with seed 3: the same data, byte for byte" in done.stdout
    report.write_text(ran.stdout.replace('"seed":3', '"seed":4'), "utf-8")
    other = mesh_sim("reproduce", str(report))
    assert other.returncode == 1
    assert "OTHER DATA in trace_hash" in other.stdout.replace("messages, ", "")


def test_mistakes_are_told_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "no.json").write_text("[]", "utf-8")
    unwritable = ["soak", "--minutes", "1", "--out", str(tmp_path / "no.json" / "soak")]
    for wrong in (["reproduce", str(tmp_path / "no.json")], ["reproduce", str(tmp_path)], unwritable):
        done = mesh_sim(*wrong)
        assert done.returncode == 2, wrong
        assert done.stderr.startswith("mesh-sim: "), done.stderr
