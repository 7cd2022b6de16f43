"""Damaged copies of the test model."""

import json
import shutil
import struct

from cluster import MODEL


def copy_model(folder):
    shutil.copytree(MODEL, folder, copy_function=shutil.copyfile)
    return folder


def edit_config(model, **changes):
    path = model / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def tensor_range(model, tensor):
    """Where the tensor's bytes lie in model.safetensors."""
    content = (model / "model.safetensors").read_bytes()
    header = struct.unpack("<Q", content[:8])[0]
    begin, end = json.loads(content[8 : 8 + header])[tensor]["data_offsets"]
    return 8 + header + begin, 8 + header + end


def poison(model, tensor):
    """Puts a NaN into a bfloat16 tensor."""
    begin, _ = tensor_range(model, tensor)
    with open(model / "model.safetensors", "r+b") as file:
        file.seek(begin)
        file.write(b"\xc0\x7f")
