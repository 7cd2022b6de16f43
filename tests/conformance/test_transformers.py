"""Hugging Face transformers reads what we publish, and computes what our own forward computes."""

import json
import os
import subprocess

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from cluster import BUILD, DATA, Cluster

os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A checkpoint pruned to a half by the whole service."""
    with Cluster(tmp_path_factory.mktemp("published")) as cluster:
        cluster.start(workers=2)
        cluster.succeed(cluster.submit("out"))
        yield cluster.folder / "out"


def input_ids(windows=4, length=64):
    ids = load_file(DATA / "golden" / "forward.safetensors")["input_ids"]
    return ids[:windows, :length].contiguous()


def our_logits(model, tmp_path):
    save_file({"input_ids": input_ids()}, tmp_path / "ids.safetensors")
    subprocess.run(
        [
            str(BUILD / "tests" / "forward_logits"),
            str(model),
            str(tmp_path / "ids.safetensors"),
            str(tmp_path / "logits.safetensors"),
        ],
        check=True,
    )
    return load_file(tmp_path / "logits.safetensors")["logits"]


def test_transformers_loads_it_and_our_forward_agrees(published, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(published, dtype=torch.float32).eval()
    with torch.no_grad():
        theirs = model(input_ids().long()).logits
    difference = (theirs - our_logits(published, tmp_path)).abs().max().item()
    print(f"largest difference of logits: {difference:.2e}")
    assert difference < 1e-4


def test_zeros_are_where_the_manifest_says(published):
    model = AutoModelForCausalLM.from_pretrained(published)
    manifest = json.loads((published / "besa_manifest.json").read_text())
    parameters = dict(model.named_parameters())
    assert len(manifest["linears"]) == 6 * 7
    for linear in manifest["linears"]:
        weight = parameters[linear["name"] + ".weight"]
        assert weight.dtype == torch.bfloat16
        assert int((weight == 0).sum()) == int(linear["zeros"]), linear["name"]


def test_half_of_all_prunable_weights_are_zero(published):
    model = AutoModelForCausalLM.from_pretrained(published)
    linears = [m for m in model.model.layers.modules() if isinstance(m, torch.nn.Linear)]
    zeros = sum(int((linear.weight == 0).sum()) for linear in linears)
    weights = sum(linear.weight.numel() for linear in linears)
    assert zeros == 6 * round(0.5 * weights / 6)


def test_tokenizer_and_config_come_along(published):
    tokenizer = AutoTokenizer.from_pretrained(published)
    text = (DATA / "golden" / "text.txt").read_text()
    golden = load_file(DATA / "golden" / "forward.safetensors")["text_ids"]
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == golden.tolist()
    assert json.loads((published / "config.json").read_text()).get("quantization_config") is None
