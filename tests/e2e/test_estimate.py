"""`besa estimate`: what it says before a job, against what the job then does. How near the times come is measured by
tests/bench/estimates.py, on a quiet machine."""

import pytest

from cluster import HELD_OUT, Cluster, wait_until
from scrape import bytes_moved

JOB = {"samples": 32, "sequence_length": 128}
# Every stage that such a job has.
STAGES = {
    "prepare",
    "survey",
    "load",
    "walk",
    "statistics",
    "train",
    "write",
    "upload",
    "passthrough",
    "evaluate",
    "publish",
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Two workers that tell how many bytes they moved, and a job that has shown how fast they are."""
    with Cluster(tmp_path_factory.mktemp("fleet")) as cluster:
        cluster.start_coordinator()
        for name in ("worker-1", "worker-2"):
            cluster.start_worker(name, "--metrics-listen", "127.0.0.1:0")
        wait_until(lambda: len(cluster.besa("--json", "workers", "list").json()["workers"]) == 2, 60, "workers")
        cluster.succeed(cluster.submit("first", evaluate=HELD_OUT, evaluate_windows=8, **JOB))
        yield cluster


# What a quality adds to the stages of `fast`; without one, losses look ahead.
MORE_STAGES = {"fast": set(), None: {"lookahead"}, "balanced": {"lookahead", "recover"}}


@pytest.mark.parametrize("quality", MORE_STAGES)
def test_bytes_are_those_that_then_move(fleet, quality):
    options = JOB | {"quality": quality, "evaluate": HELD_OUT, "evaluate_windows": 8}
    estimate = fleet.estimate(f"{quality}", **options)
    before = bytes_moved(fleet, ["worker-1", "worker-2"])
    job = fleet.succeed(fleet.submit(f"{quality}", **options))
    after = bytes_moved(fleet, ["worker-1", "worker-2"])
    for direction, field in (("read", "bytes_read"), ("written", "bytes_written")):
        moved = after[direction] - before[direction]
        assert int(estimate[field]) == pytest.approx(moved, rel=0.15), direction

    assert int(estimate["block_memory_bytes"]) == int(job["model"]["block_memory_bytes"]), "the worker plans the same"
    stages = {stage["stage"]: stage for stage in estimate["stages"]}
    assert set(stages) == STAGES | MORE_STAGES[quality]
    assert all(stage["seconds"] > 0 for stage in stages.values())
    assert estimate["workers"] == 2
    assert estimate["seconds"] > estimate["prune_seconds"] > 0
    assert any("as measured on" in sentence for sentence in estimate["basis"]), estimate["basis"]


def test_quality_and_samples_have_their_price(fleet):
    fast = fleet.estimate("price", quality="fast", **JOB)
    plain = fleet.estimate("price", **JOB)
    balanced = fleet.estimate("price", quality="balanced", **JOB)
    best = fleet.estimate("price", quality="best", **JOB)
    assert fast["prune_seconds"] < plain["prune_seconds"] < balanced["prune_seconds"] < best["prune_seconds"]
    few, many = (
        {stage["stage"]: stage["seconds"] for stage in estimate["stages"]}
        for estimate in (fast, fleet.estimate("price", quality="fast", **JOB | {"samples": 128}))
    )
    assert many["statistics"] == pytest.approx(4 * few["statistics"])
    # 32 samples are gone through twice.
    assert few["train"] < many["train"] < 4 * few["train"]


def test_it_speaks_of_devices_that_are_not_there(fleet):
    many = fleet.estimate("other", "--device-kind", "h200", "--workers", "8", **JOB)
    assert many["device"] == "NVIDIA H200"
    assert many["workers"] == 8
    refused = fleet.besa(
        *("estimate", "--model", "nowhere", "--output", "x", "--sparsity", "0.5", "--calibration", str(HELD_OUT))
    )
    assert refused.code != 0
    assert not (fleet.folder / "other").exists()


def test_people_get_a_table(fleet):
    spec = fleet.spec_flags("table", JOB)
    shown = fleet.besa("estimate", *spec)
    assert shown.code == 0, shown.err
    for words in ("time:", "block memory:", "STAGE", "MEMORY OF A BLOCK", "These figures rest on"):
        assert words in shown.out
