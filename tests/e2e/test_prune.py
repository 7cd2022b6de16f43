"""A job from submission to a published checkpoint, as its user sees it."""

import hashlib
import json
import uuid

import numpy as np
import pytest
from safetensors import safe_open

from cluster import CALIBRATION, HELD_OUT, MODEL, committed_once, deterministic_files

LINEARS = [
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
]


def read_tensors(folder):
    """Every tensor of a checkpoint as raw 16-bit words, by name."""
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 (not a dict)
                tensors[name] = file.get_tensor(name).view(__import__("torch").int16).numpy()
    return tensors


@pytest.fixture(scope="module")
def pruned(service):
    """A finished job with an evaluation: (service, job, output folder)."""
    name = service.submit("out", evaluate=HELD_OUT, evaluate_windows=20, evaluate_sequence_length=64)
    return service, service.succeed(name), service.folder / "out"


def test_job_reports_sparsity_and_both_perplexities(pruned):
    _, job, _ = pruned
    result = job["result"]
    assert int(result["zeros"]) / int(result["weights"]) == pytest.approx(0.5, abs=1e-4)
    assert result["sparsity"] == pytest.approx(0.5, abs=1e-4)
    (text,) = result["evaluations"]
    assert text["name"] == "held_out"
    dense, after = text["dense"], text["pruned"]
    assert dense["perplexity"] < after["perplexity"] < 3 * dense["perplexity"]
    assert int(dense["tokens"]) == 20 * 63
    assert dense["text_sha256"] == after["text_sha256"]
    assert result["stages"]


def test_exactly_the_asked_number_of_zeros_where_the_manifest_says(pruned):
    _, _, output = pruned
    manifest = json.loads((output / "besa_manifest.json").read_text())
    tensors = read_tensors(output)
    counted = {}
    for block in range(6):
        for linear in LINEARS:
            name = f"model.layers.{block}.{linear}"
            counted[name] = int(np.count_nonzero(tensors[f"{name}.weight"] == 0))
    stated = {linear["name"]: int(linear["zeros"]) for linear in manifest["linears"]}
    assert stated == counted
    weights = sum(tensors[f"{name}.weight"].size for name in counted)
    # Exact sparsity is a promise per block: each block's share is rounded to a whole weight.
    assert sum(counted.values()) == 6 * round(0.5 * weights / 6)


def test_kept_weights_and_all_other_tensors_are_the_dense_ones_bit_for_bit(pruned):
    _, _, output = pruned
    dense, sparse = read_tensors(MODEL), read_tensors(output)
    assert dense.keys() == sparse.keys()
    for name, words in sparse.items():
        kept = words != 0
        assert np.array_equal(words[kept], dense[name][kept]), name
        if not any(name.endswith(f"{linear}.weight") for linear in LINEARS):
            assert np.array_equal(words, dense[name]), name


def test_manifest_hashes_every_published_file(pruned):
    _, _, output = pruned
    manifest = json.loads((output / "besa_manifest.json").read_text())
    listed = {file["path"]: file["sha256"] for file in manifest["files"]}
    published = {path.name for path in output.iterdir()} - {"besa_manifest.json", "besa_run.json", "report.html"}
    assert set(listed) == published
    for path, sha256 in listed.items():
        assert hashlib.sha256((output / path).read_bytes()).hexdigest() == sha256, path
    assert (output / "config.json").read_bytes() == (MODEL / "config.json").read_bytes()
    assert (output / "tokenizer.json").read_bytes() == (MODEL / "tokenizer.json").read_bytes()


def test_every_published_file_is_the_outputs_alone(pruned):
    """Shards were shared with the workspace, which is gone; what came from the model was copied."""
    _, _, output = pruned
    for path in output.iterdir():
        assert path.stat().st_nlink == 1, path.name


def test_each_task_is_committed_once(pruned):
    service, job, _ = pruned
    tasks = service.tasks(job["name"])
    assert set(tasks) == {f"prune-{block:05d}" for block in range(6)} | {
        "prepare",
        "passthrough",
        "evaluate-dense",
        "evaluate-pruned",
    }
    committed_once(tasks)


def test_workspace_is_gone_once_the_job_succeeded(pruned):
    service, _, _ = pruned
    assert not [path for path in service.workspace.rglob("*") if path.is_file()]


def test_same_spec_gives_the_same_bytes(pruned):
    service, _, output = pruned
    service.succeed(service.submit("again", evaluate=HELD_OUT, evaluate_windows=20, evaluate_sequence_length=64))
    assert deterministic_files(service.folder / "again") == deterministic_files(output)


def test_another_seed_draws_other_windows(pruned):
    service, _, output = pruned
    service.succeed(service.submit("seed", seed=7))
    manifest = json.loads((output / "besa_manifest.json").read_text())
    other = json.loads((service.folder / "seed" / "besa_manifest.json").read_text())
    assert other["calibration"]["sha256"] != manifest["calibration"]["sha256"]


@pytest.mark.parametrize("preset", ["paper", "default"])
@pytest.mark.parametrize("granularity", ["row", "layer"])
def test_every_preset_and_granularity_ends_near_its_target(service, preset, granularity):
    job = service.succeed(service.submit(f"{preset}-{granularity}", preset=preset, granularity=granularity))
    # The paper's parametrisation misses its target by about a hundredth; ours does not miss it.
    assert job["result"]["sparsity"] == pytest.approx(0.5, abs=1e-4 if preset == "default" else 0.03)


def test_request_id_makes_a_repeated_submission_the_same_job(service):
    request = str(uuid.uuid4())
    first = service.submit("repeated", request_id=request)
    assert service.submit("repeated", request_id=request) == first
    different = service.prune("repeated", request_id=request, sparsity=0.6)
    assert different.code != 0
    assert request in different.err
    service.succeed(first)


def test_validate_only_checks_everything_and_stores_nothing(service):
    before = service.besa("--json", "jobs", "list").json()
    result = service.prune("validated", "--validate-only")
    assert result.code == 0, result.err
    shown = result.json()
    assert shown["model"]["blocks"] == 6
    assert shown["spec"]["calibration"]["sequence_length"] == 64
    assert service.besa("--json", "jobs", "list").json() == before
    assert not (service.folder / "validated").exists()


def test_watch_tells_the_whole_story_in_lines(service):
    result = service.besa(
        "prune",
        *("--model", str(MODEL), "--output", str(service.folder / "watched"), "--sparsity", "0.5"),
        *("--calibration", str(CALIBRATION), "--samples", "16", "--sequence-length", "64", "--watch"),
    )
    assert result.code == 0, result.err
    assert result.out.splitlines()[-1] == f"output: {service.folder / 'watched'}"
    assert "6 of 6" in result.out


def test_lists_are_filtered_and_paged(service):
    service.succeed(service.submit("listed", name="listed-job"))
    jobs = service.besa("--json", "jobs", "list", "--filter", 'display_name = "listed-job"').json()["jobs"]
    assert [job["spec"]["display_name"] for job in jobs] == ["listed-job"]
    workers = service.besa("--json", "workers", "list").json()["workers"]
    assert {worker["name"] for worker in workers} == {"workers/worker-1", "workers/worker-2"}
    assert all(worker["device"]["id"] == "cpu" for worker in workers)
