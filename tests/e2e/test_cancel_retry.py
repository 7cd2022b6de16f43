"""Stopping a job and starting one again."""

import shutil
import signal

from checkpoints import copy_model, poison
from cluster import MODEL, committed_once, wait_until

LONG = {"samples": 128, "sequence_length": 256}


def leased(service, job):
    return [name for name, task in service.tasks(job).items() if task["state"] == "TASK_STATE_LEASED"]


def test_cancel_in_mid_block_ends_every_task_within_a_heartbeat(service):
    job = service.submit("cancelled", **LONG)
    wait_until(lambda: any(name.startswith("prune") for name in leased(service, job)), 60, "a block to begin")
    assert service.besa("--json", "jobs", "cancel", job).code == 0
    wait_until(lambda: service.job(job)["state"] == "JOB_STATE_CANCELLED", 5, "the job to be cancelled")
    assert leased(service, job) == []
    workers = service.besa("--json", "workers", "list").json()["workers"]
    assert all(not worker.get("tasks") for worker in workers)
    assert not (service.folder / "cancelled").exists()
    assert service.besa("jobs", "cancel", job).code == 0, "cancelling twice changes nothing"
    assert service.besa("jobs", "retry", job).code == 3, "only a failed job can be retried"


def test_retry_keeps_committed_blocks(service, tmp_path):
    """A model whose last block is poisoned fails; mended, it goes on where it stopped."""
    model = copy_model(service.folder / "mendable")
    healthy = (model / "model.safetensors").read_bytes()
    poison(model, "model.layers.5.mlp.down_proj.weight")
    poisoned = (model / "model.safetensors").read_bytes()
    assert len(healthy) == len(poisoned)
    # A survey of the blocks would stop at it before any is pruned.
    job = service.submit("retried", model=model, block_allocation="uniform")
    failed = service.finish(job)
    assert failed["state"] == "JOB_STATE_FAILED"
    assert failed["error"]["reason"] == "FAILURE_REASON_BAD_NUMBERS"
    before = service.tasks(job)
    committed = {name: task for name, task in before.items() if task["state"] == "TASK_STATE_COMMITTED"}
    assert "prepare" in committed

    # The weights are an input: with other bytes under the same name the job must not go on as if nothing happened.
    (model / "model.safetensors").write_bytes(healthy)
    changed = service.besa("jobs", "retry", job)
    if changed.code == 0:
        again = service.finish(job)
        assert again["state"] == "JOB_STATE_FAILED"
        assert again["error"]["reason"] == "FAILURE_REASON_INPUT_CHANGED"
        assert "model.safetensors" in again["error"]["message"]
    else:
        assert changed.code == 3
        assert "model.safetensors" in changed.err


def test_retry_after_a_passing_failure_keeps_committed_blocks(service):
    """The model's folder vanishes for a while (a store that is not mounted): retry goes on from what is committed."""
    model = copy_model(service.folder / "vanishing")
    hidden = service.folder / "hidden"
    job = service.submit("vanished", model=model, **LONG)
    wait_until(lambda: int(service.job(job)["progress"].get("blocks_committed", 0)) >= 2, 60, "two blocks")
    # So that some are still to be read.
    for worker in service.workers.values():
        worker.send_signal(signal.SIGSTOP)
    assert "TASK_STATE_PENDING" in {task["state"] for task in service.tasks(job).values()}
    model.rename(hidden)
    for worker in service.workers:
        service.wake(worker)
    failed = service.finish(job)
    assert failed["state"] == "JOB_STATE_FAILED"
    committed = {
        name: task["attempts"] for name, task in service.tasks(job).items() if task["state"] == "TASK_STATE_COMMITTED"
    }
    assert sum(name.startswith("prune") for name in committed) >= 2

    hidden.rename(model)
    retried = service.besa("--json", "jobs", "retry", job)
    assert retried.code == 0, retried.err
    assert retried.json()["generation"] == 2
    service.succeed(job)
    after = service.tasks(job)
    for name, attempts in committed.items():
        assert after[name]["attempts"] == attempts, f"{name} was computed again"
    for task in after.values():
        assert task["attempts"][-1]["outcome"] == "ATTEMPT_OUTCOME_COMMITTED"


def test_delete_forgets_the_job_and_keeps_the_output(service):
    job = service.submit("deleted")
    assert service.besa("jobs", "delete", job).code == 3, "a running job cannot be deleted"
    service.succeed(job)
    committed_once(service.tasks(job))
    assert service.besa("jobs", "delete", job).code == 0
    assert service.besa("jobs", "get", job).code == 3
    assert (service.folder / "deleted" / "besa_manifest.json").exists()
    shutil.rmtree(service.folder / "deleted")
    assert MODEL.exists()
