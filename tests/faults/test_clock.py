"""The wall clock of a coordinator jumps, by a day forward and by two back: nothing expires and nothing hangs."""

import os

import pytest

from fleet import Fleet, until_leased

LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


@pytest.mark.skipif(not os.path.exists(LIBRARY), reason="the package faketime is not installed")
def test_jumps_of_the_wall_clock_cost_nothing(tmp_path, model, expected):
    clock = tmp_path / "clock"
    clock.write_text("+0")
    prefix = (
        "env",
        f"LD_PRELOAD={LIBRARY}",
        f"FAKETIME_TIMESTAMP_FILE={clock}",
        "FAKETIME_NO_CACHE=1",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
    )
    with Fleet(tmp_path, allow=[model], prefix=prefix) as fleet:
        fleet.start_fleet(workers=2)
        job = fleet.submit_watched("jumping", model=model)
        until_leased(fleet, job, "prune-00000")
        clock.write_text("+1d")
        until_leased(fleet, job, "prune-00001")
        clock.write_text("-2d")
        history = fleet.check_succeeded(job, "jumping", expected)
        assert history.grants == len(fleet.tasks(job)), "no lease expired"
        days = {entry["create_time"][:10] for entry in [fleet.job(job)]} | {fleet.job(job)["end_time"][:10]}
        assert len(days) == 2, f"the clock did jump: {days}"
