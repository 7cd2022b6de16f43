"""Makes a checkpoint of random weights in the shape of a well-known model: bfloat16, several files, in seconds. For
benchmarks that need the bytes of a large model and not what it knows.

    python3 tests/bench/make_checkpoint.py --shape llama-7b /dev/shm/llama-7b        # 13.5 GB
    python3 tests/bench/make_checkpoint.py --hidden 256 --intermediate 704 --heads 4 --kv-heads 2 --layers 3 FOLDER

Weights are about normal with a deviation of 0.02, norms are 1. All tensors are cut from one pool of random numbers, each
elsewhere. The tokenizer is that of tests/data/books-llama-3m: its ids are the first of the vocabulary. Needs nothing but
Python.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "data"
POOL_BYTES = 128 << 20
# Of the normal distribution that the upper bytes are drawn by; drawing the lower ones evenly leaves 0.02.
DEVIATION = 0.0148
ONE = b"\x80\x3f"  # 1.0 in bfloat16


@dataclass(frozen=True)
class Shape:
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    layers: int
    vocabulary: int = 32000


SHAPES = {
    "llama-7b": Shape(4096, 11008, 32, 32, 32),
    "llama-13b": Shape(5120, 13824, 40, 40, 40),
    "llama-3-8b": Shape(4096, 14336, 32, 8, 32, 128256),
    "llama-2-70b": Shape(8192, 28672, 64, 8, 80),
}


def random_pool(seed: int) -> bytes:
    """About normal bfloat16 numbers. The upper byte (sign and all of the exponent but its last bit) is drawn by how often
    a normal number has it; the lower one, where the number lies within a factor of four, evenly."""
    generator = random.Random(seed)
    table = bytearray()
    for exponent in range(128):
        # Numbers of this upper byte: 2^(2 e - 127) to four times that.
        low, high = (2.0 ** (2 * e - 127) / DEVIATION / math.sqrt(2) for e in (exponent, exponent + 1))
        count = round(256 * (math.erf(high) - math.erf(low)))
        table += bytes([exponent, exponent | 0x80]) * (count // 2)
    while len(table) < 256:
        table.append(table[-2])
    half = POOL_BYTES // 2
    pool = bytearray(POOL_BYTES)
    pool[1::2] = generator.randbytes(half).translate(bytes(table[:256]))
    pool[0::2] = generator.randbytes(half)
    return bytes(pool)


def tensors_of(shape: Shape) -> list[tuple[str, list[int]]]:
    """Names and shapes in the order of the files."""
    head = shape.hidden // shape.heads
    found = [("model.embed_tokens.weight", [shape.vocabulary, shape.hidden])]
    for layer in range(shape.layers):
        prefix = f"model.layers.{layer}."
        found += [
            (prefix + "input_layernorm.weight", [shape.hidden]),
            (prefix + "self_attn.q_proj.weight", [shape.heads * head, shape.hidden]),
            (prefix + "self_attn.k_proj.weight", [shape.kv_heads * head, shape.hidden]),
            (prefix + "self_attn.v_proj.weight", [shape.kv_heads * head, shape.hidden]),
            (prefix + "self_attn.o_proj.weight", [shape.hidden, shape.heads * head]),
            (prefix + "post_attention_layernorm.weight", [shape.hidden]),
            (prefix + "mlp.gate_proj.weight", [shape.intermediate, shape.hidden]),
            (prefix + "mlp.up_proj.weight", [shape.intermediate, shape.hidden]),
            (prefix + "mlp.down_proj.weight", [shape.hidden, shape.intermediate]),
        ]
    return [*found, ("model.norm.weight", [shape.hidden]), ("lm_head.weight", [shape.vocabulary, shape.hidden])]


def cut_into_files(tensors: list[tuple[str, list[int]]], file_bytes: int) -> list[list[tuple[str, list[int]]]]:
    files: list[list[tuple[str, list[int]]]] = [[]]
    size = 0
    for name, dimensions in tensors:
        taken = 2 * math.prod(dimensions)
        if files[-1] and size + taken > file_bytes:
            files.append([])
            size = 0
        files[-1].append((name, dimensions))
        size += taken
    return files


pool: memoryview


def write_file(path: Path, tensors: list[tuple[str, list[int]]], seed: int) -> None:
    generator = random.Random(seed)
    header: dict = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, dimensions in tensors:
        begin, end = end, end + 2 * math.prod(dimensions)
        header[name] = {"dtype": "BF16", "shape": dimensions, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb", buffering=0) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, dimensions in tensors:
            left = 2 * math.prod(dimensions)
            if len(dimensions) == 1:
                file.write(ONE * dimensions[0])
                continue
            at = 2 * generator.randrange(POOL_BYTES // 2)
            while left > 0:
                left -= file.write(pool[at : at + min(left, POOL_BYTES - at)])
                at = 0 if left > 0 else at


def write_config(folder: Path, shape: Shape) -> None:
    config = json.loads((DATA / "books-llama-3m" / "config.json").read_text())
    config |= {
        "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.hidden // shape.heads,
        "num_hidden_layers": shape.layers,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": False,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    for path in (DATA / "books-llama-3m").glob("*token*"):
        shutil.copy(path, folder)


def make(folder: Path, shape: Shape, file_bytes: int = 2 << 30, seed: int = 0) -> None:
    """`folder` must not exist."""
    global pool
    folder.mkdir(parents=True)
    pool = memoryview(random_pool(seed))
    files = cut_into_files(tensors_of(shape), file_bytes)
    names = [f"model-{i + 1:05d}-of-{len(files):05d}.safetensors" for i in range(len(files))]
    # Forked, so that all share the pool.
    with ProcessPoolExecutor(min(8, os.cpu_count() or 1), get_context("fork")) as workers:
        list(workers.map(write_file, [folder / name for name in names], files, range(len(files))))
    index = {name: file for file, tensors in zip(names, files, strict=True) for name, _ in tensors}
    total = sum(2 * math.prod(dimensions) for _, dimensions in tensors_of(shape))
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": total}, "weight_map": index}, indent=2)
    )
    write_config(folder, shape)


def shape_of(arguments: argparse.Namespace) -> Shape:
    if arguments.shape:
        return SHAPES[arguments.shape]
    return Shape(
        arguments.hidden,
        arguments.intermediate,
        arguments.heads,
        arguments.kv_heads or arguments.heads,
        arguments.layers,
        arguments.vocabulary,
    )


def add_shape_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shape", choices=sorted(SHAPES))
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--intermediate", type=int, default=704)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--kv-heads", type=int)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--vocabulary", type=int, default=32000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--file-gib", type=float, default=2)
    parser.add_argument("--seed", type=int, default=0)
    add_shape_flags(parser)
    arguments = parser.parse_args()
    make(arguments.folder, shape_of(arguments), round(arguments.file_gib * 2**30), arguments.seed)


if __name__ == "__main__":
    main()
