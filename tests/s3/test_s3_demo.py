"""The demo with everything on S3 gives the bytes of the demo in folders."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from test_s3_job import described

from cluster import BUILD, ROOT

SERVER = ROOT / ".deps" / "bin" / "versitygw"


def demo(store: str) -> tuple[Path, str]:
    """Its folder, and the address of the output that it names at the end."""
    done = subprocess.run(
        ["deploy/demo.sh", str(BUILD)],
        cwd=ROOT,
        env=os.environ | {"STORE": store},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folder = re.search(r"coordinator \(.*\) in ([^\s\x1b]+)", done.stdout).group(1)
    output = done.stdout.strip().splitlines()[-1]
    assert output.startswith("output: "), output
    return Path(folder), output.removeprefix("output: ")


@pytest.mark.skipif(not SERVER.exists(), reason=f"no S3 server at {SERVER}; cmake/setup.sh builds it where there is Go")
def test_the_demo_on_s3_gives_the_bytes_of_the_folder():
    folders = []
    try:
        folder, output = demo("folder")
        folders.append(folder)
        expected = described(Path(output))
        folder, output = demo("s3")
        folders.append(folder)
        assert output == "s3://results/books-llama-3m-besa50"
        assert described(folder / "s3" / output.removeprefix("s3://")) == expected
    finally:
        for folder in folders:
            shutil.rmtree(folder)
