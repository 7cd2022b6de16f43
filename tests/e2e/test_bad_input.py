"""Bad input gets a message that names the field, the value and what would be right, before work starts if possible."""

import pytest

from checkpoints import copy_model, edit_config, poison, tensor_range
from cluster import DATA, Cluster, wait_until


def refused(result, code, *words):
    """The command failed with that exit code and its message holds all the words."""
    assert result.code == code, result.out + result.err
    for word in words:
        assert str(word) in result.err, result.err


def test_no_such_model(service):
    model = service.folder / "no-such-model"
    refused(service.prune("out", model=model), 2, "model_uri", model, "config.json")


def test_truncated_safetensors(service):
    model = copy_model(service.folder / "truncated")
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    refused(service.prune("out", model=model), 2, "model_uri", "model.safetensors")


def test_lying_safetensors(service):
    model = copy_model(service.folder / "lying")
    weights = model / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content.replace(b'"shape":[4096,192]', b'"shape":[4096,193]', 1))
    refused(service.prune("out", model=model), 2, "model_uri", "model.embed_tokens.weight")


def test_unsupported_architecture(service):
    model = copy_model(service.folder / "architecture")
    edit_config(model, architectures=["MambaForCausalLM"], model_type="mamba")
    refused(service.prune("out", model=model), 2, "architectures", "MambaForCausalLM", "LlamaForCausalLM")


def test_unsupported_activation(service):
    model = copy_model(service.folder / "activation")
    edit_config(model, hidden_act="gelu")
    refused(service.prune("out", model=model), 2, "hidden_act", "gelu", "silu")


@pytest.mark.parametrize("sparsity", ["0", "1", "-0.5", "1.5", "nan"])
def test_sparsity_outside_its_range(service, sparsity):
    refused(service.prune("out", sparsity=sparsity), 2, "sparsity", "between 0 and 1")


def test_calibration_shorter_than_a_window(service):
    text = service.folder / "short.txt"
    text.write_text("Too short.\n")
    result = service.prune("short", calibration=text)
    if result.code == 0:  # only the tokenizer can tell: the prepare task does
        job = service.finish(result.json()["name"])
        assert job["state"] == "JOB_STATE_FAILED"
        assert job["error"]["reason"] == "FAILURE_REASON_INVALID_INPUT"
        for word in ["calibration", "short.txt", "64"]:
            assert word in job["error"]["message"]
    else:
        refused(result, 2, "calibration", "short.txt", "64")


def test_missing_calibration(service):
    refused(service.prune("out", calibration=service.folder / "none.txt"), 2, "calibration.uri", "none.txt")


def test_sequence_longer_than_the_model_allows(service):
    refused(service.prune("out", sequence_length=512), 2, "calibration.sequence_length", "512", "256")


def test_tokenizer_missing(service):
    model = copy_model(service.folder / "tokenizer")
    (model / "tokenizer.json").unlink()
    refused(service.prune("out", model=model), 2, "model_uri", "tokenizer.json")


def test_output_folder_not_empty(service):
    output = service.folder / "occupied"
    output.mkdir()
    (output / "precious.txt").write_text("do not overwrite")
    refused(service.prune("occupied"), 3, "output_uri", output)
    assert (output / "precious.txt").read_text() == "do not overwrite"


def test_path_outside_the_allowed_prefixes(service):
    refused(service.prune("out", model="/etc"), 2, "model_uri", "/etc")
    refused(service.prune("/var/tmp/besa-outside"), 2, "output_uri", "/var/tmp/besa-outside")
    refused(service.prune("out", model=f"{DATA}/../../../etc"), 2, "model_uri")


def test_nan_in_weights_fails_the_job_naming_block_and_linear(service):
    model = copy_model(service.folder / "poisoned")
    poison(model, "model.layers.3.self_attn.v_proj.weight")
    job = service.finish(service.submit("poisoned-out", model=model))
    assert job["state"] == "JOB_STATE_FAILED"
    assert job["error"]["reason"] == "FAILURE_REASON_BAD_NUMBERS"
    assert "block 3" in job["error"]["message"]
    assert "self_attn.v_proj" in job["error"]["message"]
    assert not (service.folder / "poisoned-out").exists()


def test_infinite_activations_fail_the_job_naming_block_and_linear(service):
    """Finite weights whose products overflow."""
    model = copy_model(service.folder / "overflowing")
    begin, end = tensor_range(model, "model.layers.2.mlp.up_proj.weight")
    with open(model / "model.safetensors", "r+b") as file:
        file.seek(begin)
        file.write(b"\x7e\x7f" * ((end - begin) // 2))  # 3.37e38, the largest of bfloat16 but one
    job = service.finish(service.submit("overflowing-out", model=model))
    assert job["state"] == "JOB_STATE_FAILED"
    assert job["error"]["reason"] == "FAILURE_REASON_BAD_NUMBERS"
    assert "block 2" in job["error"]["message"]
    assert "mlp." in job["error"]["message"]


@pytest.mark.parametrize(("blocks", "first"), [("measured", "prepare"), ("uniform", "prune")])
def test_too_little_memory_is_said_and_not_tried(tmp_path, blocks, first):
    with Cluster(tmp_path) as cluster:
        cluster.start_coordinator()
        cluster.start_worker("small", "--memory-limit", "1MiB")
        job = cluster.submit("out", block_allocation=blocks)

        def reasons():
            tasks = cluster.tasks(job).items()
            waiting = [t for name, t in tasks if name.startswith(first) and t["state"] == "TASK_STATE_PENDING"]
            return [task["pending_reason"] for task in waiting if "needs" in task.get("pending_reason", "")]

        said = wait_until(reasons, 30, "tasks to wait for memory")
        assert all("1.0 MiB" in text for text in said), said
        wait_until(lambda: "needs" in cluster.job(job)["pending_reason"], 20, "the job to say so, too")
        # A worker that has the memory takes the job to its end.
        cluster.start_worker("large")
        cluster.succeed(job)


def test_worker_name_already_in_use_by_a_live_worker_is_told_apart(tmp_path):
    """Two processes under one name: the later one takes the name over, the job still ends right."""
    with Cluster(tmp_path) as cluster:
        cluster.start(workers=1)
        job = cluster.submit("out")
        first = cluster.workers["worker-1"]
        cluster.start_worker("worker-1")
        first.kill()
        first.wait()
        cluster.succeed(job)


def test_server_unreachable(service):
    refused(service.besa("--timeout", "2s", "jobs", "list", server="127.0.0.1:9"), 4, "127.0.0.1:9")


def test_unknown_job(service):
    refused(service.besa("jobs", "get", "jobs/00000000-0000-0000-0000-000000000000"), 3, "not found")
