"""Several workers on one job: whoever does what, the bytes are the same; how much is walked twice; what a kill costs."""

import json
import random
import time

import pytest
import torch
from safetensors.torch import load_file, save_file

from checkpoints import copy_model, edit_config
from cluster import Cluster, committed_once, deterministic_files, wait_until

BLOCKS = 12
# Two shares of 64 windows for sweeps.
JOB = {"samples": 128, "sequence_length": 128}


def deepen(folder):
    """The small model with its six blocks twice over."""
    copy_model(folder)
    tensors = load_file(folder / "model.safetensors")
    blocks = {name: tensor for name, tensor in tensors.items() if name.startswith("model.layers.")}
    for name, tensor in blocks.items():
        _, _, number, rest = name.split(".", 3)
        for copy in range(1, BLOCKS // 6):
            tensors[f"model.layers.{int(number) + 6 * copy}.{rest}"] = (tensor.float() * (1 + 0.01 * copy)).to(
                torch.bfloat16
            )
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    edit_config(folder, num_hidden_layers=BLOCKS)
    return folder


@pytest.fixture(scope="module")
def deep_model(tmp_path_factory):
    return deepen(tmp_path_factory.mktemp("deep") / "model")


def run(folder, model, workers, *extra, interfere=None):
    """A job by that many fresh workers; returns its output's bytes and its tasks."""
    with Cluster(folder, allow=[model]) as service:
        service.start_coordinator()
        for number in range(workers):
            service.start_worker(f"w{number}")
        wait_until(lambda: len(service.besa("--json", "workers", "list").json()["workers"]) == workers, 120, "workers")
        job = service.submit("out", *extra, model=model, **JOB)
        if interfere:
            interfere(service, job)
        service.succeed(job, 300)
        tasks = service.tasks(job)
        committed_once(tasks)
        return deterministic_files(service.folder / "out"), tasks, service.job(job)


@pytest.fixture(scope="module")
def alone(tmp_path_factory, deep_model):
    return run(tmp_path_factory.mktemp("alone"), deep_model, 1)


def attempts_at_blocks(tasks):
    """All attempts at blocks, by worker in the order of their beginnings: (block, outcome)."""
    by_worker = {}
    for task in tasks.values():
        for attempt in task["attempts"]:
            if task["kind"] == "TASK_KIND_PRUNE":
                row = (attempt["start_time"], int(task.get("block", 0)), attempt["outcome"])
                by_worker.setdefault(attempt["worker"], []).append(row)
    return {worker: [row[1:] for row in sorted(rows)] for worker, rows in by_worker.items()}


def forwards(tasks):
    """Walks through a block that one worker alone would not have made."""
    walked = 0
    for blocks in attempts_at_blocks(tasks).values():
        cursor = 0
        for block, _ in blocks:
            walked += block - cursor if cursor <= block else block
            cursor = block + 1
    return walked


@pytest.mark.parametrize("workers", [2, 4])
def test_ranges_of_several_workers(tmp_path, deep_model, alone, workers):
    expected, by_one, _ = alone
    assert forwards(by_one) == 0
    output, tasks, job = run(tmp_path, deep_model, workers)
    assert output == expected
    assert job["activations"] == "ACTIVATIONS_WALKED"
    by_worker = attempts_at_blocks(tasks)
    assert len(by_worker) == workers
    walked = forwards(tasks)
    (tmp_path / "forwards.json").write_text(json.dumps({"workers": workers, "forwards": walked}))
    print(f"{workers} workers: {walked} forwards repeated, ranges {by_worker}")
    # Each has to get to its first block once; handing out the next free block would walk nearly all for each of them.
    assert walked <= 0.75 * (workers - 1) * BLOCKS + workers


def test_stored_activations_give_the_same_bytes(tmp_path, deep_model, alone):
    output, tasks, job = run(tmp_path, deep_model, 4, "--activations", "stored")
    assert output == alone[0]
    assert job["activations"] == "ACTIVATIONS_STORED"
    sweeps = [task for name, task in tasks.items() if name.startswith("sweep-")]
    assert [int(task["sweep"]["windows"]) for task in sweeps] == [64, 64]
    # Somebody did begin at a stored boundary instead of walking.
    fetched = [task for task in tasks.values() if any(s["stage"] == "fetch" for s in task["result"]["stages"])]
    assert fetched


def test_killing_any_of_eight_costs_its_block(tmp_path, deep_model, alone):
    chance = random.Random(7)
    killed = []

    def kill_three(service, job):
        # Whoever copies it does so beside its first block, and would lose both.
        wait_until(
            lambda: service.tasks(job)["passthrough"]["state"] == "TASK_STATE_COMMITTED",
            120,
            "the passthrough to be copied",
        )
        for _ in range(3):
            blocks = [f"prune-{block:05d}" for block in range(BLOCKS)]
            chance.shuffle(blocks)
            block, victim = service.freeze_at(job, *blocks, seconds=120)
            service.kill_worker(victim)
            killed.append((block, f"workers/{victim}"))
            time.sleep(0.5 * chance.random())

    output, tasks, _ = run(tmp_path, deep_model, 8, interfere=kill_three)
    assert output == alone[0]
    lost = [
        (name, attempt["worker"])
        for name, task in tasks.items()
        for attempt in task["attempts"]
        if attempt["outcome"] != "ATTEMPT_OUTCOME_COMMITTED"
    ]
    # The one task that each was at; all the others of its tasks stand.
    assert sorted(lost) == sorted(killed)
