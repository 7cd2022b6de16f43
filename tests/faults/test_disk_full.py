"""The disk of the workspace, or that of the state, fills up in mid-job and has room again later."""

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster import wait_until
from fleet import Fleet, until_leased


def can_mount() -> bool:
    return os.getuid() == 0 and subprocess.run(["mountpoint", "-q", "/dev/shm"], check=False).returncode == 0


pytestmark = pytest.mark.skipif(not can_mount(), reason="a small file system can only be mounted by root")


@contextmanager
def small_disk(folder: Path, megabytes: int):
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    ballast = folder / "ballast"
    try:
        with open(ballast, "wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
    except OSError:
        pass
    return ballast


def test_a_full_workspace_fails_attempts_until_there_is_room(tmp_path, model, expected):
    with small_disk(tmp_path / "workspace", 64), Fleet(tmp_path, allow=[model]) as fleet:
        fleet.start_fleet(workers=1)
        job = fleet.submit_watched("full", model=model)
        until_leased(fleet, job, "prune-00000")
        ballast = fill(fleet.workspace)

        def failed():
            attempts = fleet.tasks(job)["prune-00000"].get("attempts", [])
            return [each for each in attempts if each.get("reason") == "FAILURE_REASON_STORAGE"]

        attempt = wait_until(failed, 60, "an attempt to fail for want of room")[0]
        assert "space" in attempt["message"].lower(), attempt["message"]
        ballast.unlink()
        fleet.check_succeeded(job, "full", expected)


def test_a_full_state_disk_refuses_and_goes_on_when_there_is_room(tmp_path, model, expected):
    with small_disk(tmp_path / "state", 16) as disk, Fleet(tmp_path, allow=[model]) as fleet:
        fleet.state = str(disk / "state.sqlite")
        fleet.start_fleet(workers=1)
        job = fleet.submit_watched("kept", model=model)
        until_leased(fleet, job, "prune-00000")
        ballast = fill(disk)
        refused = fleet.prune("other", model=model, samples=8, sequence_length=64)
        assert refused.code != 0
        assert "full" in refused.err, refused.err
        # The worker's commit does not get through either; it goes on trying.
        wait_until(lambda: "commit failed" in fleet.log("worker-1"), 60, "the worker to be put off")
        assert fleet.coordinators["coordinator-1"].poll() is None
        ballast.unlink()
        history = fleet.check_succeeded(job, "kept", expected)
        assert history.grants == len(fleet.tasks(job)), "nothing was computed twice"
