"""Recovery through the service: exact zeros, better perplexity, what `quality` stands for."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from cluster import HELD_OUT, MODEL

BLOCKS = 6
MEASURED = {
    "samples": 64,
    "sequence_length": 128,
    "evaluate": HELD_OUT,
    "evaluate_windows": 20,
    "evaluate_sequence_length": 128,
}


def linears(folder):
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(path)
    return {name: weight for name, weight in tensors.items() if name.endswith("_proj.weight")}


def perplexity_of(job):
    return job["result"]["evaluations"][0]["pruned"]["perplexity"]


@pytest.fixture(scope="module")
def fast(service):
    return service.succeed(service.submit("fast", quality="fast", **MEASURED))


def test_quality_balanced_is_a_sequential_schedule_with_recovery(service, fast):
    job = service.succeed(service.submit("balanced", quality="balanced", **MEASURED))
    assert perplexity_of(job) < 0.97 * perplexity_of(fast)
    stages = {stage["stage"] for stage in job["result"]["stages"]}
    assert {"train", "recover"} <= stages
    manifest = json.loads((service.folder / "balanced" / "besa_manifest.json").read_text())
    method = manifest["options"]["method"]
    assert method["quality"] == "QUALITY_BALANCED"
    assert method["schedule"] == "SCHEDULE_SEQUENTIAL"
    assert method["reference"] == "REFERENCE_DENSE_STREAM"
    recovery = method["recovery"]
    steps = recovery["epochs"] * MEASURED["samples"] // recovery["batch_size"]
    assert [block["recovery_steps"] for block in manifest["blocks"]] == [steps] * BLOCKS
    assert manifest["sparsity"]["reached"] == 0.5
    AutoModelForCausalLM.from_pretrained(service.folder / "balanced", dtype=torch.float32)


def test_unless_it_is_to_be_fast_losses_look_ahead(service, fast):
    job = service.succeed(service.submit("plain", **MEASURED))
    assert {"lookahead", "train"} <= {stage["stage"] for stage in job["result"]["stages"]}
    assert "lookahead" not in {stage["stage"] for stage in fast["result"]["stages"]}
    assert perplexity_of(job) != perplexity_of(fast)


def test_without_it_what_is_kept_stays_as_it_was(service, fast):
    dense = linears(MODEL)
    for name, weight in linears(service.folder / "fast").items():
        assert bool(((weight == dense[name]) | (weight == 0)).all()), name


@pytest.mark.parametrize("method", ["magnitude", "wanda", "sparsegpt"])
def test_it_works_on_every_pattern_and_method(service, method):
    perplexities = []
    for epochs in [None, 2]:
        output = f"{method}-recovered-{epochs}"
        job = service.succeed(service.submit(output, method=method, pattern="2:4", recovery_epochs=epochs, **MEASURED))
        perplexities.append(perplexity_of(job))
        for name, weight in linears(service.folder / output).items():
            assert ((weight.view(-1, 4) != 0).sum(1) == 2).all(), name
    assert perplexities[1] < 0.97 * perplexities[0]


def test_validate_shows_what_quality_stands_for(service):
    result = service.prune("shown", "--validate-only", quality="best", recovery_learning_rate=0.002)
    assert result.code == 0, result.err
    method = result.json()["spec"]["method"]
    assert method["schedule"] == "SCHEDULE_SEQUENTIAL"
    assert method["recovery"]["epochs"] > 4
    assert method["recovery"]["learning_rate"] == 0.002
    assert method["recovery"]["batch_size"] == 4
    assert method["loss"] == "LOSS_LOOKAHEAD"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"recovery_epochs": -1}, ["--recovery-epochs", "-1"]),
        ({"recovery_learning_rate": 2}, ["--recovery-learning-rate", "at most 1"]),
        ({"quality": "best", "preset": "paper"}, ["--quality", "PRESET_PAPER"]),
    ],
)
def test_what_makes_no_sense_is_refused(service, options, words):
    result = service.prune("refused", **options)
    assert result.code != 0
    for word in words:
        assert word in result.err
