"""The test model cut down to its first two blocks: a job of it takes a second or two."""

import json
import shutil
import struct
from pathlib import Path

from cluster import MODEL

BLOCKS = 2


def keep(tensor: str) -> bool:
    parts = tensor.split(".")
    return "layers" not in parts or int(parts[parts.index("layers") + 1]) < BLOCKS


def two_block_model(folder: Path) -> Path:
    shutil.copytree(MODEL, folder, copy_function=shutil.copyfile)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": BLOCKS}))

    content = (MODEL / "model.safetensors").read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + size])
    kept, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in header.items():
        if name == "__metadata__" or not keep(name):
            continue
        begin, end = (8 + size + offset for offset in tensor["data_offsets"])
        kept[name] = tensor | {"data_offsets": [len(data), len(data) + end - begin]}
        data += content[begin:end]
    text = json.dumps(kept).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    return folder
