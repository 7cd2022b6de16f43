"""Jobs on an S3 server that fails, stalls, or has no room: nothing is lost and nothing is wrong."""

import json
import os
import shutil
import subprocess

import pytest
from fault_proxy import FAULTS, FaultProxy
from test_s3_job import IN_FOLDERS, JOB, ON_S3, described

from cluster import CALIBRATION, HELD_OUT, MODEL, Cluster, committed_once, wait_until
from s3_server import WHY_NOT, S3Server

pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


def fill(server):
    """The model and the texts in one bucket, and an empty bucket for results."""
    models = server.bucket("models")
    shutil.copytree(MODEL, models / "books-llama-3m")
    (models / "text").mkdir()
    for text in (CALIBRATION, HELD_OUT):
        shutil.copy(text, models / "text")
    server.bucket("results")


@pytest.fixture(scope="module")
def in_folders(tmp_path_factory):
    """The bytes of the same job in folders."""
    with Cluster(tmp_path_factory.mktemp("folders")) as service:
        service.start(workers=2)
        service.succeed(service.submit("out", **IN_FOLDERS, **JOB))
        return described(service.folder / "out")


def on(folder, environment):
    return Cluster(
        folder, allow=["s3://models", "s3://results"], environment=environment, workspace_uri="s3://results/work"
    )


@pytest.mark.parametrize("faults", [FAULTS[:3], FAULTS[3:]], ids=["failing", "stalling"])
def test_one_request_in_ten_fails(tmp_path, in_folders, faults):
    with S3Server(tmp_path / "s3") as server, FaultProxy(server.port, faults=faults, stall_seconds=0.5) as proxy:
        fill(server)
        environment = server.environment | {"AWS_ENDPOINT_URL": proxy.endpoint}
        with on(tmp_path / "service", environment) as cluster:
            cluster.start(workers=2)
            job = cluster.submit("s3://results/team/out", **ON_S3, **JOB)
            cluster.succeed(job, 240)
            committed_once(cluster.tasks(job))
        spoiled = sum(proxy.seen[fault] for fault in faults)
        assert spoiled > 20 and spoiled > 0.05 * sum(proxy.seen.values()), proxy.seen
        output = server.bucket("results") / "team" / "out"
        assert described(output) == in_folders
        # What attempts began and did not finish is nowhere to be seen.
        manifest = json.loads((output / "besa_manifest.json").read_text())
        listed = {file["path"] for file in manifest["files"]} | {"besa_manifest.json", "besa_run.json", "report.html"}
        assert {path.name for path in output.iterdir()} == listed


class SmallS3Server(S3Server):
    """One whose buckets lie in a file system of their own, of a few MiB, that only it and /proc can see."""

    SIZE = 48 << 20

    def start(self, *flags: str) -> None:
        buckets = self.folder / "buckets"
        buckets.mkdir(parents=True, exist_ok=True)
        real, self._program = subprocess.Popen, None

        def contained(command, **options):
            mount = f'mount -t tmpfs -o size={self.SIZE} tmpfs "$0" && exec "$@"'
            return real(["unshare", "-rm", "sh", "-c", mount, str(buckets), *command], **options)

        subprocess.Popen = contained
        try:
            super().start(*flags)
        finally:
            subprocess.Popen = real

    def bucket(self, name: str):
        folder = type(self.folder)(f"/proc/{self.process.pid}/root{self.folder}") / "buckets" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def can_mount():
    return subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="needs user namespaces (unshare -rm)")
def test_a_full_store_fails_the_job_and_room_mends_it(tmp_path, in_folders):
    with SmallS3Server(tmp_path / "s3") as server:
        fill(server)
        filler = server.bucket("filler") / "filler"

        def leave_room(size):
            free = os.statvfs(filler.parent)
            with open(filler, "wb") as file:
                file.truncate(0)
                os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize - size))

        leave_room(2 << 20)
        with on(tmp_path / "service", server.environment) as cluster:
            cluster.start_coordinator("--max-attempts", "2")
            cluster.start_worker("worker-1")
            job = cluster.submit("s3://results/out", **ON_S3, **JOB)
            failed = cluster.finish(job, 240)
            assert failed["state"] == "JOB_STATE_FAILED"
            assert failed["error"]["reason"] == "FAILURE_REASON_STORAGE", failed["error"]
            assert "s3://results/work" in failed["error"]["message"], failed["error"]
            kept = {name for name, task in cluster.tasks(job).items() if task["state"] == "TASK_STATE_COMMITTED"}
            assert "prepare" in kept
            assert not (server.bucket("results") / "out").exists()

            filler.unlink()
            assert cluster.besa("jobs", "retry", job).code == 0
            cluster.succeed(job, 240)
            committed_once(
                {name: task | {"attempts": task["attempts"][-1:]} for name, task in cluster.tasks(job).items()}
            )
            assert described(server.bucket("results") / "out") == in_folders
            wait_until(
                lambda: not list((server.bucket("results") / "work").rglob("*.safetensors")),
                30,
                "the workspace to be swept",
            )
