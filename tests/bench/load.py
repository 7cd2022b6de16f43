"""Load: simulated workers and 10,000 open tasks on one coordinator; see docs/benchmarks.md.

tests/bench/load.py --state sqlite|postgresql --workers 10 100 1000
"""

from __future__ import annotations

import argparse
import json
import re
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "faults")]

from cluster import BUILD, Cluster, wait_until
from postgres import Postgres

BLOCKS = 80


def write_model(folder: Path) -> Path:
    """A checkpoint of 80 blocks, each as small as a block can be. Never read but for its headers."""
    folder.mkdir()
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 8,
        "intermediate_size": 16,
        "num_hidden_layers": BLOCKS,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "vocab_size": 16,
        "max_position_embeddings": 64,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
        "hidden_act": "silu",
        "torch_dtype": "float32",
    }
    (folder / "config.json").write_text(json.dumps(config))
    shapes = {"model.embed_tokens.weight": [16, 8], "model.norm.weight": [8]}
    for block in range(BLOCKS):
        prefix = f"model.layers.{block}."
        for name in "qkvo":
            shapes[f"{prefix}self_attn.{name}_proj.weight"] = [8, 8]
        shapes[f"{prefix}mlp.gate_proj.weight"] = [16, 8]
        shapes[f"{prefix}mlp.up_proj.weight"] = [16, 8]
        shapes[f"{prefix}mlp.down_proj.weight"] = [8, 16]
        shapes[f"{prefix}input_layernorm.weight"] = [8]
        shapes[f"{prefix}post_attention_layernorm.weight"] = [8]
    header, offset = {}, 0
    for name, shape in shapes.items():
        size = 4 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(offset))
    return folder


def write_tokens(path: Path) -> Path:
    header = json.dumps({"input_ids": {"dtype": "I32", "shape": [4, 32], "data_offsets": [0, 4 * 4 * 32]}}).encode()
    header += b" " * (-len(header) % 8)
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4 * 4 * 32))
    return path


def memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) / 1000


CALLS = ("lease", "heartbeat", "commit")


def measure(cluster: Cluster, arguments: argparse.Namespace):
    """Yields, for each number of workers, how long the calls took and the coordinator's peak of memory until then."""
    command = [str(BUILD / "tests" / "fleet_load"), "--coordinator", cluster.address]
    for name in ("block", "warm_up", "measure"):
        command += [f"--{name.replace('_', '-')}", str(getattr(arguments, name))]
    command += ["--workers", *map(str, arguments.workers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as fleet:
        for line in fleet.stdout:
            yield json.loads(line), memory_mb(cluster.coordinator.pid)
    assert fleet.returncode == 0


def count_open_tasks(cluster: Cluster) -> int:
    listed = cluster.besa("--json", "--timeout", "60", "jobs", "list", "--limit", "0")
    assert listed.code == 0, listed.out + listed.err
    return sum(
        int(job["progress"]["tasks_total"]) - int(job["progress"].get("tasks_committed", 0))
        for job in listed.json()["jobs"]
    )


def seconds_to_restart(cluster: Cluster) -> float:
    """From the start of the process, after a kill, until a client has its answer."""
    cluster.kill_coordinator()
    start = time.monotonic()
    cluster.start_coordinator()
    wait_until(lambda: cluster.besa("--json", "jobs", "list", "--limit", "1").code == 0, 20, "an answer")
    return time.monotonic() - start


def run(folder: Path, state: str, arguments: argparse.Namespace) -> None:
    with Cluster(folder, lease_term="60s", heartbeat_interval="10s", state=state) as cluster:
        cluster.start_coordinator()
        model, tokens = write_model(folder / "model"), write_tokens(folder / "tokens.safetensors")
        for number in range(-(-arguments.tasks // BLOCKS)):
            cluster.submit(f"out-{number}", model=model, calibration=tokens, samples=4, sequence_length=32)
        print(f"open tasks at the beginning: {count_open_tasks(cluster)}\n")
        print("| workers | call | calls | p50 ms | p99 ms | max ms | failed | coordinator MB |")
        print("|---|---|---|---|---|---|---|---|", flush=True)
        for result, memory in measure(cluster, arguments):
            for call in CALLS:
                row = result[call]
                print(
                    f"| {result['workers']} | {call} | {row['calls']} | {row['p50_ms']:.1f} | {row['p99_ms']:.1f} | "
                    f"{row['max_ms']:.0f} | {row['failed']} | {memory:.0f} |",
                    flush=True,
                )
        print(f"\nopen tasks at the end: {count_open_tasks(cluster)}")
        print(f"restart: {seconds_to_restart(cluster):.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--workers", type=int, nargs="+", default=[10, 30, 100, 300, 1000], help="the fleet grows")
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--block", type=float, default=30, help="seconds a block takes")
    parser.add_argument("--warm-up", type=float, default=18, help="seconds before measuring, for each size")
    parser.add_argument("--measure", type=float, default=20, help="seconds of measuring, for each size")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        if arguments.state == "sqlite":
            run(folder / "service", "", arguments)
        else:
            with Postgres(folder / "postgres") as server:
                run(folder / "service", server.new_database("load"), arguments)


if __name__ == "__main__":
    main()
