"""Families that users bring: tiny random models made with Hugging Face transformers, computed and pruned by us."""

import json
import os
import subprocess
from dataclasses import dataclass, field

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    PretrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from cluster import BUILD, Cluster

os.environ["HF_HUB_OFFLINE"] = "1"

VOCABULARY = 211
LENGTH = 96
BLOCKS = 3
# head_dim is given where the family takes it: four heads of 24 are wider than the hidden size.
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 176,
    "num_hidden_layers": BLOCKS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-5,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": None,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


@dataclass
class Variant:
    """A family with one of its traits. `old`: config.json spells its rope as transformers 4 did."""

    name: str
    config: type[PretrainedConfig]
    fields: dict = field(default_factory=dict)
    dtype: torch.dtype = torch.bfloat16
    old: bool = False
    shards: str = "5GB"


VARIANTS = [
    Variant("llama", LlamaConfig),
    Variant("llama_tied_fp16", LlamaConfig, {"tie_word_embeddings": True}, torch.float16),
    Variant("llama_fp32_shards", LlamaConfig, {"num_key_value_heads": 4}, torch.float32, shards="200KB"),
    Variant("llama_biases", LlamaConfig, {"attention_bias": True, "mlp_bias": True}),
    Variant("llama3", LlamaConfig, {"rope_parameters": LLAMA3, "head_dim": 24}),
    Variant("llama3_old", LlamaConfig, {"rope_parameters": LLAMA3}, old=True),
    Variant(
        "llama_linear", LlamaConfig, {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}}
    ),
    Variant(
        "llama_dynamic_old",
        LlamaConfig,
        {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}},
        old=True,
    ),
    Variant("mistral", MistralConfig, {"sliding_window": None, "head_dim": 24}),
    Variant("mistral_window", MistralConfig, {"sliding_window": 24}, torch.float32),
    Variant("qwen2", Qwen2Config, {"tie_word_embeddings": True}),
    Variant("qwen2_window", Qwen2Config, {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1}),
    Variant("qwen3", Qwen3Config, {"head_dim": 24, "tie_word_embeddings": True}),
    Variant(
        "qwen3_bias_window",
        Qwen3Config,
        {
            "head_dim": 24,
            "attention_bias": True,
            "use_sliding_window": True,
            "sliding_window": 16,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        },
        torch.float16,
    ),
]


def make_model(variant, folder):
    """A model whose every parameter, biases and norms too, is random: none of them could be left out unnoticed."""
    torch.manual_seed(7)
    config = variant.config(**(SIZES | variant.fields))
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.uniform_(0.5, 1.5)
            elif name.endswith("bias"):
                parameter.normal_(std=0.5)
            elif "layers" in name:
                parameter.normal_(std=1.5 / parameter.shape[1] ** 0.5)
            else:
                parameter.normal_(std=0.2)
    model.to(variant.dtype).save_pretrained(folder, max_shard_size=variant.shards)
    if variant.old:
        spell_as_transformers_4(folder / "config.json")
    return folder


def spell_as_transformers_4(path):
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    kind = rope.pop("rope_type")
    config["rope_scaling"] = rope | {"rope_type" if kind == "llama3" else "type": kind}
    path.write_text(json.dumps(config))


def token_ids(count):
    return torch.randint(0, VOCABULARY, (count,), generator=torch.Generator().manual_seed(11), dtype=torch.int32)


def their_logits(model, ids):
    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        return loaded(ids.long(), use_cache=False).logits


def run_ours(model, ids, folder):
    save_file({"input_ids": ids}, folder / "ids.safetensors")
    return subprocess.run(
        [
            str(BUILD / "tests" / "forward_logits"),
            str(model),
            str(folder / "ids.safetensors"),
            str(folder / "logits.safetensors"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def our_logits(model, ids, folder):
    done = run_ours(model, ids, folder)
    assert done.returncode == 0, done.stderr
    return load_file(folder / "logits.safetensors")["logits"]


def windows():
    return token_ids(3 * LENGTH).view(3, LENGTH)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_logits_are_those_of_transformers(variant, tmp_path):
    model = make_model(variant, tmp_path / "model")
    theirs = their_logits(model, windows())
    difference = (theirs - our_logits(model, windows(), tmp_path)).abs().max().item()
    print(f"{variant.name}: largest difference {difference:.1e}, largest logit {theirs.abs().max():.1f}")
    assert difference < 1e-4


# Each with a trait taken away: were the trait ignored, the test above would pass all the same.
@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("llama3", {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}),
        ("llama_linear", {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}),
        ("mistral_window", {"sliding_window": None}),
        ("qwen2_window", {"use_sliding_window": False}),
        ("qwen2_window", {"layer_types": ["sliding_attention", "full_attention", "full_attention"]}),
    ],
)
def test_every_trait_matters(name, without, tmp_path):
    variant = next(variant for variant in VARIANTS if variant.name == name)
    model = make_model(variant, tmp_path / "model")
    with_trait = our_logits(model, windows(), tmp_path)
    config = json.loads((model / "config.json").read_text())
    if without.get("use_sliding_window") is False:
        config.pop("layer_types")
    (model / "config.json").write_text(json.dumps(config | without))
    assert (with_trait - our_logits(model, windows(), tmp_path)).abs().max().item() > 1e-2


def test_dynamic_scaling_is_refused_where_it_would_begin(tmp_path):
    variant = next(variant for variant in VARIANTS if variant.name == "llama_dynamic_old")
    model = make_model(variant, tmp_path / "model")
    done = run_ours(model, token_ids(130).view(1, 130), tmp_path)
    assert done.returncode != 0
    assert "128" in done.stderr


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("families")) as cluster:
        save_file({"input_ids": token_ids(40 * LENGTH).view(40, LENGTH)}, cluster.folder / "ids.safetensors")
        yield cluster.start(workers=2)


@pytest.mark.parametrize(
    "name",
    ["llama_biases", "llama_fp32_shards", "llama_tied_fp16", "llama3", "mistral_window", "qwen2_window", "qwen3"],
)
def test_pruned_by_the_whole_service(service, name, tmp_path):
    """Without a tokenizer: texts are token ids."""
    variant = next(variant for variant in VARIANTS if variant.name == name)
    model = make_model(variant, service.folder / name)
    job = service.succeed(
        service.submit(
            f"{name}-pruned",
            model=model,
            calibration=service.folder / "ids.safetensors",
            evaluate=service.folder / "ids.safetensors",
            evaluate_windows=8,
            evaluate_sequence_length=LENGTH,
            sequence_length=LENGTH,
            samples=8,
        )
    )
    assert job["result"]["sparsity"] == pytest.approx(0.5, abs=1e-4)

    output = service.folder / f"{name}-pruned"
    loaded, report = AutoModelForCausalLM.from_pretrained(output, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert not report["mismatched_keys"]
    assert loaded.dtype == variant.dtype
    dense = AutoModelForCausalLM.from_pretrained(model).state_dict()
    linears = 0
    for key, weight in loaded.state_dict().items():
        if key.endswith("proj.weight"):
            linears += 1
            assert torch.equal(weight[weight != 0], dense[key][weight != 0]), key
        else:
            assert torch.equal(weight, dense[key]), key
    assert linears == BLOCKS * 7
    difference = (their_logits(output, windows()) - our_logits(output, windows(), tmp_path)).abs().max().item()
    assert difference < 1e-4

    # Perplexity as transformers computes it, from the same windows.
    ids = load_file(service.folder / "ids.safetensors")["input_ids"][:8].long()
    logits = their_logits(output, ids)[:, :-1].double()
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).exp().item()
    assert job["result"]["evaluations"][0]["pruned"]["perplexity"] == pytest.approx(expected, rel=1e-4)
